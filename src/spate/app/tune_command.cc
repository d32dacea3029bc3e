// SPDX-License-Identifier: Apache-2.0
//
// `spate tune`.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <thread>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/scaling/strategies.h"
#include "spate/suite/tune.h"

namespace spate::app {
namespace {

namespace fs = std::filesystem;

struct TuneArguments {
  std::string strategy;
  std::string file;
  std::string out;
  suite::TuneOptions options;
};

// The suite's strategy of this label, or the kind with its defaults.
suite::SuiteStrategy strategy_of(const suite::Suite& suite, const std::string& name,
                                 const scaling::StrategyRegistry& registry) {
  for (const auto& s : suite.strategies) {
    if (s.label == name) return s;
  }
  suite::SuiteStrategy out;
  out.label = name;
  out.kind = name;
  out.sees_schedule = registry.find(name, "spate tune").sees_schedule;
  return out;
}

int run_tune(TuneArguments arguments) {
  const auto registry = scaling::builtin_strategies();
  const suite::Suite suite = suite::read_suite(arguments.file, registry);
  const auto strategy = strategy_of(suite, arguments.strategy, registry);
  if (strategy.sees_schedule) {
    throw ConfigError(
        fmt::format("{}: a baseline that sees the schedule is not tuned", arguments.strategy));
  }
  auto& options = arguments.options;
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  options.progress = [terminal](int done, int total) {
    if (terminal) {
      fmt::print(stderr, "\r{} of at most {} cells\x1b[K", done, total);
    } else if (done * 20 / total != (done - 1) * 20 / total) {
      fmt::print(stderr, "{} of at most {} cells\n", done, total);
    }
  };
  const suite::Tuned tuned = tune(suite, strategy, registry, options);
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  std::string command = fmt::format("spate tune {} {} --seed {} --budget {}", arguments.strategy,
                                    arguments.file, options.seed, options.budget);
  if (!options.parameters.empty()) {
    command += fmt::format(" --parameters {}", fmt::join(options.parameters, ","));
  }
  const fs::path out =
      arguments.out.empty()
          ? fs::path("var/tuning") / fmt::format("{}-{}.yaml", suite.name, strategy.label)
          : fs::path(arguments.out);
  if (auto written = write_file(out, tuned_yaml(tuned, strategy, command)); !written) {
    return fail(written.error());
  }
  fmt::print("{}\noptions: {}\n", tuned_text(tuned), out.string());
  return kDone;
}

}  // namespace

void add_tune_command(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<TuneArguments>();
  auto& options = arguments->options;
  options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  CLI::App* command = app.add_subcommand(
      "tune",
      "Searches a strategy's numbers in the simulator, on a part of a suite's demands and seeds.\n"
      "What the best found is worth is told from demands and seeds that the search never saw, "
      "with\n"
      "its confidence; where the data cannot tell, it says so. See docs/tuning.md.");
  command->add_option("strategy", arguments->strategy, "A label of the suite, or a strategy")
      ->required()
      ->type_name("STRATEGY");
  command->add_option("suite", arguments->file, "Suite (docs/suites.md)")
      ->required()
      ->check(CLI::ExistingFile)
      ->type_name("SUITE.yaml");
  command
      ->add_option("--parameters", options.parameters,
                   "Only these numbers, separated by commas: name, or name=LOW..HIGH. Default: all "
                   "that shape its decisions, from an eighth to eight times their value")
      ->delimiter(',')
      ->type_name("A,B=LOW..HIGH,…");
  command->add_option("--budget", options.budget, "Cells simulated for the search. Default: 600")
      ->check(CLI::Range(1, 10'000'000))
      ->type_name("N");
  command
      ->add_option(
          "--test-seeds", options.test_seeds,
          "Seeds on which the result is judged; the suite's are not among them. Default: 5")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  command->add_option("--seed", options.seed, "Of the search and the split. Default: 1")
      ->type_name("N");
  command->add_option("--threads", options.threads, "Cells at once. Default: this machine's CPUs")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command
      ->add_option("--out", arguments->out,
                   "YAML file for the options. Default: var/tuning/<suite>-<strategy>.yaml")
      ->type_name("FILE");
  command->footer(
      "Example:\n  spate tune hpa_cpu suites/standard.yaml --budget 600\n"
      "  spate tune keda suites/standard.yaml --parameters target,cooldown_period_s=10..600\n\n" +
      exit_text(
          {{kDone, "searched, whatever came out"}, {kFailed, "the file could not be written"}}));
  command->callback([arguments, &run] { run = [arguments] { return run_tune(*arguments); }; });
}

}  // namespace spate::app
