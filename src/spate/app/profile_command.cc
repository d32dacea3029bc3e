// SPDX-License-Identifier: Apache-2.0
//
// `spate profile`.
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
#include "spate/lab/compare.h"
#include "spate/lab/model_samples.h"
#include "spate/lab/preflight.h"
#include "spate/lab/profile_assembly.h"
#include "spate/lab/profile_measure.h"
#include "spate/sim/machine_profile.h"

namespace spate::app {
namespace {

struct Arguments {
  std::filesystem::path scenario = "scenarios/demo.yaml";
  std::vector<std::string> models;
  std::filesystem::path out = "var/profile.json";
  int max_batch = 8;
  bool quick = false;
  lab::ProfileOptions options;
};

// The scenario's models that are asked for, each model directory once.
lab::Scenario choose(const Arguments& arguments) {
  lab::Scenario scenario = lab::read_scenario(arguments.scenario);
  std::vector<lab::ModelScenario> chosen;
  for (auto& m : chosen_models(scenario, arguments.models)) {
    const bool seen = std::any_of(chosen.begin(), chosen.end(), [&](const auto& c) {
      return lab::profiled_name(c) == lab::profiled_name(m);
    });
    if (!seen) chosen.push_back(std::move(m));
  }
  scenario.models = std::move(chosen);
  lab::check_inputs(scenario);
  return scenario;
}

// Long lists of numbers on one line each: a profile has hundreds of quantiles.
std::string compact(const nlohmann::ordered_json& json, int indent = 0) {
  const bool leaf =
      !json.is_structured() ||
      std::none_of(json.begin(), json.end(), [](const auto& item) { return item.is_structured(); });
  if (leaf) return json.dump();
  const std::string inner(static_cast<std::size_t>(indent) + 1, ' ');
  std::string out = json.is_array() ? "[" : "{";
  bool first = true;
  for (const auto& [key, value] : json.items()) {
    out += first ? "\n" : ",\n";
    first = false;
    out += inner;
    if (json.is_object()) out += nlohmann::ordered_json(key).dump() + ": ";
    out += compact(value, indent + 1);
  }
  return out + "\n" + inner.substr(1) + (json.is_array() ? "]" : "}");
}

void shorten(lab::ProfileOptions& options) {
  options.seconds = std::min(options.seconds, 1.0);
  options.starts = 3;
  options.limit_changes = 4;
  options.live_seconds = 8.0;
}

int profile(Arguments arguments) {
  init_logging("spate", "warn");
  lab::ProfileOptions& options = arguments.options;
  if (arguments.quick) shorten(options);
  options.batches.clear();
  for (int batch = 1; batch <= arguments.max_batch; batch *= 2) options.batches.push_back(batch);
  if (options.batches.back() != arguments.max_batch) options.batches.push_back(arguments.max_batch);
  const lab::Scenario scenario = choose(arguments);
  if (const Status writable = write_file(arguments.out.string() + ".part", "\n"); !writable) {
    throw ConfigError("--out " + arguments.out.string() + ": " + writable.error().message);
  }
  options.program = lab::this_program();
  options.spate_version = SPATE_VERSION;
  options.work = std::filesystem::path("var/profiling") / std::to_string(::getpid());
  options.say = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  lab::LiveLoop loop;
  const auto samples = lab::measure_profile(loop, scenario.models, options);
  std::error_code failed;
  std::filesystem::remove(arguments.out.string() + ".part", failed);
  if (!samples) {
    fmt::print(stderr, "spate: {}\n", samples.error().message);
    return loop.interrupted() ? kInterrupted : kFailed;
  }
  const nlohmann::ordered_json file = lab::assemble_profile(*samples);
  const std::string text = compact(file) + "\n";
  // What was written must be what the simulator reads.
  (void)sim::read_machine_profile(ConfigReader::from_text(text, arguments.out.string()));
  if (const Status written = write_file(arguments.out, text); !written) {
    fmt::print(stderr, "spate: {}\n", written.error().message);
    return kFailed;
  }
  std::filesystem::remove_all(options.work, failed);
  fmt::print("{}profile: {}\n", lab::profile_table(file), arguments.out.string());
  return kDone;
}

}  // namespace

void add_profile_command(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  auto& o = arguments->options;
  CLI::App* command = app.add_subcommand(
      "profile",
      "Measure this machine and its models for the simulator: a machine profile.\n"
      "Real workers are timed by batch size, CPU limit and threads, started on the idle and on "
      "the\n"
      "busy machine, and given new limits; a light live run tells what broker and gateway add.\n"
      "Nothing else should run meanwhile. About six minutes for the three models of the demo.");
  command
      ->add_option("--scenario", arguments->scenario,
                   "Scenario whose models are measured, with its data sets. Default: "
                   "scenarios/demo.yaml")
      ->type_name("SCENARIO.yaml");
  add_models_option(*command, arguments->models);
  command->add_option("--out", arguments->out, "File to write. Default: var/profile.json")
      ->type_name("FILE");
  command
      ->add_option("--seconds", o.seconds,
                   "Length of one measurement, 0.2 to 60; slow models get up to twice that. "
                   "Default: 4")
      ->check(CLI::Range(0.2, 60.0))
      ->type_name("S");
  command
      ->add_option("--starts", o.starts,
                   "Starts of each model, as many idle as busy, 1 to 1000. Default: 10")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  command
      ->add_option("--max-batch", arguments->max_batch,
                   "Largest batch: 1, 2, 4, … up to it are measured, 1 to 1024. Default: 8")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command
      ->add_option("--cpus", o.check_cpus,
                   "CPU limits at which the simulator's prediction is compared with what is "
                   "measured, 0.05 to 64, separated by commas. Default: 0.3,0.5,1")
      ->delimiter(',')
      ->check(CLI::Range(0.05, 64.0))
      ->type_name("C,…");
  add_limits_option(*command, o.limits);
  command->add_flag("--quick", arguments->quick,
                    "Short and rough: at most 1 s a measurement, 3 starts, 4 changes of limits");
  command->footer(
      "Example:\n  spate profile --out profiles/mine.json\n"
      "  spate simulate scenarios/demo.yaml --strategies none,vertical --profile "
      "profiles/mine.json\n\n" +
      exit_text({{kDone, "measured (warnings are in the file and in the summary)"},
                 {kFailed, "it could not be measured or written"},
                 {kBadSettings, "bad settings, or a model or data set is missing"},
                 {kInterrupted, "interrupted"}}));
  command->callback([arguments, &run] { run = [arguments] { return profile(*arguments); }; });
}

}  // namespace spate::app
