// SPDX-License-Identifier: Apache-2.0
//
// `spate simulate`.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/log.h"
#include "spate/base/real_clock.h"
#include "spate/lab/machine.h"
#include "spate/lab/preflight.h"
#include "spate/lab/simulate.h"

namespace spate::app {
namespace {

using Json = nlohmann::json;

struct Arguments {
  std::string scenario;
  lab::SimulateOptions options;
  std::string profile = "profiles/default.json";
  std::int64_t seed = -1;
  std::string prices;
  bool detail = false;
  bool no_contention = false;
  bool fluid = false;
};

void require_fresh(const std::filesystem::path& out) {
  std::error_code failed;
  if (!std::filesystem::exists(out, failed) || std::filesystem::is_empty(out, failed)) return;
  throw ConfigError("--out " + out.string() +
                    ": exists and is not empty; expected a new or empty directory");
}

void write_experiment(const Arguments& arguments, const lab::Scenario& scenario) {
  const auto& out = arguments.options.out;
  std::error_code failed;
  std::filesystem::create_directories(out, failed);
  const Json record{{"schema", 1},
                    {"scenario", scenario.name},
                    {"scenario_file", arguments.scenario},
                    {"strategies", arguments.options.strategies},
                    {"repetitions", arguments.options.repetitions},
                    {"seed", scenario.seed},
                    {"simulated", true},
                    {"fluid", arguments.fluid},
                    {"profile", arguments.profile}};
  Status written = write_file(out / "experiment.json", record.dump(1) + "\n");
  if (written) {
    if (const auto text = read_file(arguments.scenario)) {
      written = write_file(out / "scenario.yaml", *text);
    }
  }
  if (!written) throw ConfigError(written.error().message);
}

int simulate(Arguments arguments) {
  init_logging("spate", "warn");
  lab::Scenario scenario = lab::read_scenario(arguments.scenario);
  if (arguments.seed >= 0) scenario.seed = static_cast<std::uint64_t>(arguments.seed);
  if (!arguments.prices.empty()) scenario.prices = judge::read_price_file(arguments.prices);
  lab::check_strategies(scenario, arguments.options.strategies);
  const auto profile = sim::read_machine_profile(std::filesystem::path(arguments.profile));
  const lab::SimulationPlan plan =
      lab::plan_simulation(std::move(scenario), profile,
                           {.contention = !arguments.no_contention, .fluid = arguments.fluid});
  auto& out = arguments.options.out;
  if (out.empty()) out = std::filesystem::path("var/simulations") / plan.scenario.name;
  if (arguments.options.out == std::filesystem::path("var/simulations") / plan.scenario.name) {
    std::error_code failed;
    for (int n = 2; std::filesystem::exists(out, failed); ++n) {
      out = fmt::format("var/simulations/{}-{}", plan.scenario.name, n);
    }
  }
  require_fresh(out);
  write_experiment(arguments, plan.scenario);
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  double requests = 0.0;
  arguments.options.progress = [&](const lab::SimulatedRun& run, int done, int total) {
    requests += static_cast<double>(run.output.requests);
    if (terminal) {
      fmt::print("\r{} of {} runs, {:.3g} requests", done, total, requests);
      std::fflush(stdout);
    }
  };
  (void)lab::simulate_all(plan, arguments.options);
  if (terminal) fmt::print("\n");
  fmt::print("simulated{} with {} (measured on {})\n",
             arguments.fluid ? " in the fluid mode, an approximation (docs/simulator.md)," : "",
             arguments.profile, lab::text_of(plan.machine, "cpu_model"));
  return report_on(out, {"", arguments.detail});
}

}  // namespace

void add_simulate_command(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  arguments->options.threads = std::max(1, static_cast<int>(lab::read_machine().cores));
  CLI::App* command = app.add_subcommand(
      "simulate",
      "Compare strategies on a scenario in simulated time, hours in seconds.\n"
      "The gateway's core, the samplers and the strategies are the live ones; the machine is made\n"
      "up from a profile that `spate profile` measured. The table and the report are those of\n"
      "`spate compare`.");
  command->add_option("scenario", arguments->scenario, "Scenario file (docs/scenario.md)")
      ->required()
      ->type_name("SCENARIO.yaml");
  command
      ->add_option("--strategies", arguments->options.strategies,
                   "Strategies or labels of the scenario, separated by commas")
      ->required()
      ->delimiter(',')
      ->type_name("A,B,…");
  command
      ->add_option("--seeds", arguments->options.repetitions,
                   "Repetitions of each strategy, 1 to 10000, each with a demand of its own from "
                   "the scenario's seed. Default: 1")
      ->check(CLI::Range(1, 10000))
      ->type_name("N");
  command
      ->add_option("--seed", arguments->seed, "Seed of everything random. Default: the scenario's")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command
      ->add_option("--profile", arguments->profile,
                   "Machine profile. Default: profiles/default.json")
      ->type_name("FILE");
  command->add_option("--prices", arguments->prices, kPricesText)->type_name("FILE");
  command->add_flag("--detail", arguments->detail, kDetailText);
  command
      ->add_option("--out", arguments->options.out,
                   "New or empty directory. Default: var/simulations/<scenario>, with a number "
                   "when that exists")
      ->type_name("DIR");
  command
      ->add_option("--jobs", arguments->options.threads,
                   "Runs at once. Default: this machine's CPUs")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command->add_flag("--no-contention", arguments->no_contention,
                    "Give every worker the CPUs of its limit, however many there are: a cluster "
                    "instead of one machine");
  command->add_flag("--fluid", arguments->fluid,
                    "Approximate: numbers of requests per time step instead of single requests, "
                    "whatever the rate, at the same cost (docs/simulator.md has its error)");
  command->footer(
      "Example:\n  spate simulate scenarios/demo.yaml --strategies none,horizontal,vertical "
      "--seeds 20\n\n" +
      exit_text({{kDone, "simulated"},
                 {kFailed, "the report could not be written"},
                 {kBadSettings,
                  "bad settings, a profile of another version, or a scenario that cannot meet its "
                  "objective whatever is done"},
                 {kInvalid, "a strategy has no valid run"}}));
  command->callback([arguments, &run] { run = [arguments] { return simulate(*arguments); }; });
}

}  // namespace spate::app
