// SPDX-License-Identifier: Apache-2.0
//
// `spate capacity`.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/log.h"
#include "spate/lab/capacity_curve.h"
#include "spate/lab/compare.h"
#include "spate/lab/machine.h"
#include "spate/lab/model_samples.h"
#include "spate/lab/preflight.h"
#include "spate/report/report.h"

namespace spate::app {
namespace {

// Of the machine, for broker, gateway, influx and the system beside what is measured live.
constexpr double kReserveCpus = 0.5;

struct Arguments {
  std::filesystem::path scenario = "scenarios/demo.yaml";
  std::vector<std::string> models;
  std::vector<double> cpus;
  std::vector<int> batches = {1};
  std::vector<int> replicas = {1, 2, 4};
  std::string profile = "profiles/default.json";
  std::filesystem::path out = "var/capacity-curve.json";
  std::filesystem::path page;  // empty: `out` with .html
  int live = 2;
  lab::CurveSimulation simulation;
  lab::LiveCurveOptions options;
};

std::vector<lab::CapacityPoint> grid(const Arguments& arguments, const lab::Scenario& scenario) {
  std::vector<lab::CapacityPoint> out;
  for (const auto& model : chosen_models(scenario, arguments.models)) {
    std::vector<double> cpus = arguments.cpus;
    if (cpus.empty()) cpus = {model.cpu_limit, 1.0};
    std::sort(cpus.begin(), cpus.end());
    cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
    for (const double c : cpus) {
      for (const int batch : arguments.batches) {
        for (const int n : arguments.replicas) out.push_back({model.name, c, batch, n});
      }
    }
  }
  return out;
}

// Live, where asked for. Stops at the first that fails; what was measured until then is kept.
Status measure_live(lab::LiveLoop& loop, const Arguments& arguments, const lab::Scenario& scenario,
                    std::vector<lab::CurveEntry>& entries) {
  std::vector<lab::CapacityPoint> points;
  for (const auto& e : entries) {
    // A configuration that cannot meet its objective in the simulator has no rate to begin with.
    points.push_back(e.point);
    if (e.simulated.per_s <= 0.0) points.back().replicas = 1 << 20;
  }
  const double spare = lab::read_machine().cores - kReserveCpus;
  const auto chosen = lab::choose_live(points, arguments.live, spare);
  if (arguments.live > 0 && chosen.empty()) {
    arguments.options.say(
        fmt::format("no configuration fits the {:g} CPU that are left of this machine: nothing is "
                    "measured live",
                    spare));
  }
  for (const std::size_t i : chosen) {
    const lab::CapacityPoint& p = entries[i].point;
    arguments.options.say(fmt::format("live: {}, {:g} CPU, batches of {}, {} replicas", p.model,
                                      p.cpus, p.batch, p.replicas));
    auto live = lab::measure_live_capacity(loop, scenario, p, entries[i].simulated.per_s,
                                           arguments.options);
    if (!live) return live.error();
    entries[i].live = std::move(live).value();
  }
  return ok();
}

// Where the page goes. Throws ConfigError if it would take the place of the figures.
std::filesystem::path page_of(const Arguments& arguments) {
  auto page = arguments.page;
  if (page.empty()) page = std::filesystem::path(arguments.out).replace_extension(".html");
  if (page.lexically_normal() == arguments.out.lexically_normal()) {
    throw ConfigError(
        fmt::format("--out: {} is where the page goes; name a .json file, or "
                    "another page with --page",
                    arguments.out.string()));
  }
  return page;
}

Status write_page(const std::filesystem::path& file, const nlohmann::ordered_json& curve) {
  const auto page = report::render_capacity(report::capacity_data(nlohmann::json(curve)));
  return page ? write_file(file, *page) : Status(page.error());
}

int capacity(Arguments arguments) {
  init_logging("spate", "warn");
  const auto page = page_of(arguments);
  lab::LiveCurveOptions& options = arguments.options;
  const lab::Scenario scenario = lab::read_scenario(arguments.scenario);
  const auto profile = sim::read_machine_profile(std::filesystem::path(arguments.profile));
  const auto points = grid(arguments, scenario);
  for (const auto& p : points) {
    (void)profile.model(lab::profiled_name(*scenario.find_model(p.model)));
  }
  if (arguments.live > 0) lab::check_inputs(scenario);
  options.program = lab::this_program();
  options.spate_version = SPATE_VERSION;
  options.work = std::filesystem::path("var/capacity-runs") / std::to_string(::getpid());
  options.say = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  std::vector<lab::CurveEntry> entries;
  for (const auto& p : points) {
    options.say(
        fmt::format("simulated: {} of {} configurations", entries.size() + 1, points.size()));
    entries.push_back(
        {p, lab::simulate_capacity(scenario, p, profile, arguments.simulation), std::nullopt});
  }
  lab::LiveLoop loop;
  const Status measured = measure_live(loop, arguments, scenario, entries);
  const auto curve = lab::curve_json(scenario, entries, profile, options);
  const Status written = write_file(arguments.out, curve.dump(1) + "\n");
  const Status drawn = write_page(page, curve);
  fmt::print("{}", lab::curve_table(scenario, entries, options.confidence));
  for (const Status* status : {&measured, &written, &drawn}) {
    if (!*status) fmt::print(stderr, "spate: {}\n", status->error().message);
  }
  if (loop.interrupted()) return kInterrupted;
  if (!measured || !written || !drawn) return kFailed;
  std::error_code ignored;
  std::filesystem::remove_all(options.work, ignored);
  fmt::print("capacity: {}\npage:     {}\n", arguments.out.string(), page.string());
  return kDone;
}

void add_live_options(CLI::App& command, const std::shared_ptr<Arguments>& arguments) {
  auto& o = arguments->options;
  command
      .add_option("--live", arguments->live,
                  "How many configurations are measured live as well, of those that fit this "
                  "machine, 0 to 100. Default: 2")
      ->check(CLI::Range(0, 100))
      ->type_name("N");
  command
      .add_option("--confidence", o.confidence,
                  "Of the verdict at each live rate, 0.8 to 0.999. Default: 0.95")
      ->check(CLI::Range(0.8, 0.999))
      ->type_name("C");
  command
      .add_option("--seconds", o.most_seconds,
                  "Longest live test of one rate, 12 to 3600; it ends earlier when it can say. "
                  "Default: 150")
      ->check(CLI::Range(12.0, 3600.0))
      ->type_name("S");
  command
      .add_option("--step", o.step_ratio,
                  "Ratio of neighbouring live rates, 1.01 to 3: how finely the capacity is "
                  "bracketed. Default: 1.15")
      ->check(CLI::Range(1.01, 3.0))
      ->type_name("X");
  command
      .add_option("--rates", o.most_rates,
                  "Live rates tested for one configuration, 1 to 50. Default: 6")
      ->check(CLI::Range(1, 50))
      ->type_name("N");
  add_limits_option(command, o.limits);
}

}  // namespace

void add_capacity_command(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "capacity",
      "Find what rate a model's configurations serve within their objective.\n"
      "Every combination of CPU, batch and replicas is simulated from a machine profile; a few "
      "are\n"
      "measured live, each rate by a test that stops as soon as it can tell (docs/capacity.md).");
  command
      ->add_option("--scenario", arguments->scenario,
                   "Scenario with the models and their objectives. Default: scenarios/demo.yaml")
      ->type_name("SCENARIO.yaml");
  add_models_option(*command, arguments->models);
  command
      ->add_option("--cpus", arguments->cpus,
                   "CPUs per replica, 0.05 to 64, separated by commas. Default: the scenario's and "
                   "1")
      ->delimiter(',')
      ->check(CLI::Range(0.05, 64.0))
      ->type_name("C,…");
  command
      ->add_option("--batches", arguments->batches,
                   "Largest batches, 1 to 1024, separated by commas. Default: 1")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->type_name("N,…");
  command
      ->add_option("--replicas", arguments->replicas,
                   "Replicas, 1 to 10000, separated by commas. Default: 1,2,4")
      ->delimiter(',')
      ->check(CLI::Range(1, 10000))
      ->type_name("N,…");
  command
      ->add_option("--profile", arguments->profile,
                   "Machine profile. Default: profiles/default.json")
      ->type_name("FILE");
  command
      ->add_option("--requests", arguments->simulation.requests,
                   "Simulated requests per rate, 1000 to 100000000. Default: 20000")
      ->check(CLI::Range(1000, 100'000'000))
      ->type_name("N");
  command->add_option("--out", arguments->out, "File to write. Default: var/capacity-curve.json")
      ->type_name("FILE");
  command
      ->add_option("--page", arguments->page,
                   "Page to write: curves and tables. Default: the name of --out with .html")
      ->type_name("FILE");
  add_live_options(*command, arguments);
  command->footer(
      "Example:\n  spate capacity --models resnet50 --cpus 0.3,0.9 --replicas 1,2,8 --live 2\n\n" +
      exit_text({{kDone, "done"},
                 {kFailed, "a live measurement failed (what there is, is written)"},
                 {kBadSettings, "bad settings, or a model or data set is missing"},
                 {kInterrupted, "interrupted"}}));
  command->callback([arguments, &run] { run = [arguments] { return capacity(*arguments); }; });
}

}  // namespace spate::app
