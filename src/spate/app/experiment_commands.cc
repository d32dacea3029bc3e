// SPDX-License-Identifier: Apache-2.0
//
// `spate run`, `spate compare`, `spate report`.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/log.h"
#include "spate/lab/compare.h"
#include "spate/lab/summary.h"
#include "spate/lab/table.h"
#include "spate/report/report.h"

namespace spate::app {
namespace {

// Of run and compare.
std::string live_exit_text() {
  return exit_text({{kDone, "measured and valid"},
                    {kFailed, "a run could not begin or nothing could be written"},
                    {kBadSettings, "bad settings, or a model or data set is missing"},
                    {kRefused, "the scenario does not fit this machine"},
                    {kInvalid, "measured, but a strategy has no valid run"},
                    {kInterrupted, "interrupted (what was measured is reported)"}});
}

struct Arguments {
  lab::CompareOptions options;
  std::string strategy;
  std::uint64_t seed = 0;
  bool has_seed = false;
  std::string directory;  // of `report`
  std::string prices;
  bool detail = false;
};

void print_invalid(const lab::Summary& summary) {
  for (const auto& run : summary.runs) {
    for (const auto& reason : run.invalid_reasons) {
      fmt::print("invalid: {}: {}\n", run.run, reason);
    }
    for (const auto& reason : run.disturbances) {
      fmt::print("disturbed: {}: {}\n", run.run, reason);
    }
  }
}

int run_experiment(const Arguments& arguments) {
  init_logging("spate", "warn");
  lab::CompareOptions options = arguments.options;
  options.version = SPATE_VERSION;
  if (arguments.has_seed) options.seed = arguments.seed;
  if (!arguments.prices.empty()) options.prices = judge::read_price_file(arguments.prices);
  const lab::CompareOutcome outcome = lab::compare(options);
  if (outcome.failure) fmt::print(stderr, "spate: {}\n", outcome.failure->message);
  const int reported =
      outcome.runs > 0 ? report_on(outcome.directory, {"", arguments.detail}) : kFailed;
  if (outcome.interrupted) return kInterrupted;
  return outcome.failure ? kFailed : reported;
}

void add_common(CLI::App& command, const std::shared_ptr<Arguments>& arguments) {
  auto& o = arguments->options;
  const char* const host = std::getenv("DOCKER_HOST");
  if (host != nullptr && std::string_view(host).starts_with("unix://")) o.docker_socket = host + 7;
  command.add_option("scenario", o.scenario, "Scenario file (docs/scenario.md)")
      ->required()
      ->type_name("SCENARIO.yaml");
  command
      .add_option("--out", o.out,
                  "New or empty directory for everything that is recorded. Default: "
                  "var/runs/<scenario>-<UTC time>")
      ->type_name("DIR");
  command
      .add_option("--broker", o.broker_url,
                  "Use this MQTT broker, mqtt://[user[:password]@]host[:port]. Default: start "
                  "mosquitto on a free loopback port for each run")
      ->type_name("URL");
  command
      .add_option_function<std::uint64_t>(
          "--seed",
          [arguments](std::uint64_t seed) {
            arguments->seed = seed;
            arguments->has_seed = true;
          },
          "Seed of the arrivals and of the order of runs. Default: the scenario's")
      ->type_name("N");
  command.add_option("--prices", arguments->prices, kPricesText)->type_name("FILE");
  command.add_flag("--detail", arguments->detail, kDetailText);
  command
      .add_option("--backend", o.backend,
                  "Where broker, gateway, influx and workers run: process, or docker: each in a "
                  "container of its own (docs/docker-backend.md). Default: process")
      ->check(CLI::IsMember({"process", "docker"}))
      ->type_name("WHERE");
  command
      .add_option("--image", o.image,
                  "Image for --backend docker (scripts/image builds it). Default: spate:latest")
      ->type_name("NAME");
  command
      .add_option("--docker-socket", o.docker_socket,
                  "Socket of the Docker engine. Default: that of DOCKER_HOST when it is unix://, "
                  "else /var/run/docker.sock")
      ->type_name("PATH");
  command
      .add_option("--http", o.http,
                  "Serve the gateway's live page, API and /metrics here, the same for every run, "
                  "for a browser or Prometheus (docs/monitoring.md). Default: a free loopback port")
      ->type_name("[ADDRESS:]PORT");
  command.add_flag("--remeasure", o.remeasure,
                   "Measure the capacity of one replica again instead of using what "
                   "var/capacity has for this model, CPU limit and machine");
  add_limits_option(command, o.limits);
}

void add_run(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "run",
      "Run one strategy on a scenario, everything real, and report what it came to.\n"
      "Starts broker, gateway, workers and load, and ends them all; Ctrl-C does so at once and\n"
      "still reports.");
  add_common(*command, arguments);
  command
      ->add_option("--strategy", arguments->strategy,
                   "Strategy, or a label that the scenario's `strategies` give one")
      ->required()
      ->type_name("NAME");
  command->footer(std::string("Example:\n  spate run scenarios/demo.yaml --strategy vertical\n\n") +
                  live_exit_text());
  command->callback([arguments, &run] {
    run = [arguments] {
      arguments->options.strategies = {arguments->strategy};
      return run_experiment(*arguments);
    };
  });
}

void add_compare(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "compare",
      "Run several strategies on the same demand and say which meets the objectives at the lowest\n"
      "cost. Each strategy and repetition is a run of its own, in an order drawn from the seed;\n"
      "within a repetition all strategies get the very same requests.");
  add_common(*command, arguments);
  command
      ->add_option("--strategies", arguments->options.strategies,
                   "Strategies or labels of the scenario, separated by commas")
      ->required()
      ->delimiter(',')
      ->type_name("A,B,…");
  command
      ->add_option("--repeat", arguments->options.repetitions,
                   "Repetitions of each strategy, 1 to 100. With at least 3 the spread over them "
                   "says what a difference is worth. Default: 1")
      ->check(CLI::Range(1, 100))
      ->type_name("N");
  command->footer(std::string("Example:\n  spate compare scenarios/demo.yaml --strategies "
                              "none,horizontal,vertical --repeat 3\n\n") +
                  live_exit_text());
  command->callback(
      [arguments, &run] { run = [arguments] { return run_experiment(*arguments); }; });
}

void add_report(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "report",
      "Compute summary.json and report.html again from a directory that spate run or spate\n"
      "compare made, and print the table.");
  command->add_option("directory", arguments->directory, "The directory")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--prices", arguments->prices,
                   "Prices in place of those that the runs were made with (docs/prices.md)")
      ->type_name("FILE");
  command->add_flag("--detail", arguments->detail, kDetailText);
  command->footer("Example:\n  spate report var/runs/demo-20260101T120000Z\n\n" +
                  exit_text({{kDone, "done"},
                             {kFailed, "it holds no run, or cannot be written"},
                             {kInvalid, "a strategy has no valid run"}}));
  command->callback([arguments, &run] {
    run = [arguments] {
      return report_on(arguments->directory, {arguments->prices, arguments->detail});
    };
  });
}

}  // namespace

// summary.json, report.html, the table.
int report_on(const std::filesystem::path& directory, const ReportOptions& options) {
  std::optional<judge::Prices> given;
  if (!options.prices.empty()) given = judge::read_price_file(options.prices);
  const auto summary = lab::summarise(directory, given);
  if (!summary) {
    fmt::print(stderr, "spate: {}\n", summary.error().message);
    return kFailed;
  }
  const Status written = lab::write_summary(*summary);
  const auto report = report::write_report(*summary);
  const std::string currency = summary->json.contains("prices")
                                   ? lab::text_of(summary->json["prices"], "currency")
                                   : std::string("USD");
  const lab::TableStyle style{::isatty(STDOUT_FILENO) == 1, currency};
  fmt::print("\n{}\n", lab::comparison_table(summary->comparison, style));
  if (options.detail) fmt::print("{}\n", lab::detail_tables(summary->comparison, style));
  print_invalid(*summary);
  if (!written || !report) {
    fmt::print(stderr, "spate: {}\n", (!written ? written.error() : report.error()).message);
    return kFailed;
  }
  fmt::print("summary: {}\nreport:  {}\n", (directory / "summary.json").string(), report->string());
  for (const auto& s : summary->comparison.strategies) {
    if (s.valid_runs == 0) return kInvalid;
  }
  return kDone;
}

void add_experiment_commands(CLI::App& app, Run& run) {
  add_run(app, run);
  add_compare(app, run);
  add_report(app, run);
}

}  // namespace spate::app
