// SPDX-License-Identifier: Apache-2.0
//
// `spate export`.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "spate/app/command.h"
#include "spate/base/config_error.h"
#include "spate/base/config_reader.h"
#include "spate/lab/scenario.h"
#include "spate/scaling/manifests/manifest.h"

namespace spate::app {
namespace {

struct ExportArguments {
  std::string strategy;
  std::string as;
  std::string scenario;
  std::string options;
  std::string model;
  std::string name;
  scaling::ManifestModel manifest;
};

const lab::ModelScenario& model_of(const lab::Scenario& scenario, const std::string& name) {
  std::vector<std::string> scaled;
  for (const auto& m : scenario.models) {
    if (m.scaled) scaled.push_back(m.name);
  }
  if (name.empty() && scaled.size() == 1) return *scenario.find_model(scaled.front());
  const auto* found = scenario.find_model(name);
  if (found != nullptr && found->scaled) return *found;
  throw ConfigError(fmt::format("--model {}: expected a scaled model of {}: {}",
                                name.empty() ? "(none)" : name, scenario.file.string(),
                                fmt::join(scaled, ", ")));
}

struct Chosen {
  std::string kind;
  std::optional<ConfigReader> options;
};

// The entry `label` of a file's `strategies`: of `spate tune`, a suite, or a scenario.
Chosen read_strategies_entry(const std::string& file, const std::string& label) {
  const ConfigReader strategies = ConfigReader::from_file(file).at("strategies");
  const auto keys = strategies.keys();
  // Of a tuned strategy the plain name will do.
  std::string key = label;
  const bool tuned = std::find(keys.begin(), keys.end(), label + "_tuned") != keys.end();
  if (std::find(keys.begin(), keys.end(), label) == keys.end() && tuned) key = label + "_tuned";
  if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
    strategies.complain(
        fmt::format("no strategy \"{}\"; there are {}", label, fmt::join(keys, ", ")));
  }
  const auto entry = strategies.find(key);
  if (!entry || !entry->is_map()) return {key, {}};
  if (const auto wrap = entry->find("wrap")) {
    wrap->complain("these systems have no such wrappers; export the strategy without them");
  }
  return {entry->text_or("kind", key), entry->find("options")};
}

scaling::ManifestKind kind_of(const std::string& as) {
  if (as == "hpa") return scaling::ManifestKind::Hpa;
  return as == "keda" ? scaling::ManifestKind::Keda : scaling::ManifestKind::Knative;
}

int run_export(ExportArguments arguments) {
  const auto registry = scaling::builtin_strategies();
  Chosen chosen{arguments.strategy, {}};
  auto& manifest = arguments.manifest;
  if (!arguments.scenario.empty()) {
    const auto scenario = lab::read_scenario(arguments.scenario);
    const auto& model = model_of(scenario, arguments.model);
    manifest.model = model.name;
    manifest.min_replicas = model.min_replicas;
    manifest.max_replicas = model.max_replicas;
    manifest.replicas = model.replicas;
    manifest.cpu_request = model.cpu_request;
    const auto choice = scenario.strategy(arguments.strategy);
    chosen = {choice.kind, ConfigReader::from_text(choice.options_json, arguments.scenario)};
    if (chosen.options->has("wrap")) {
      throw ConfigError(fmt::format("{}: strategies.{}.wrap: these systems have no such wrappers",
                                    arguments.scenario, choice.label));
    }
  } else if (!arguments.model.empty()) {
    manifest.model = arguments.model;
  }
  if (!arguments.name.empty()) {
    manifest.name = arguments.name;
  } else if (!manifest.model.empty()) {
    manifest.name = manifest.model;
  }
  if (!arguments.options.empty()) {
    chosen = read_strategies_entry(arguments.options, arguments.strategy);
  }
  const auto& info = registry.find(chosen.kind, "spate export");
  const auto options = scaling::StrategyRegistry::read_options(info, chosen.options);
  fmt::print("{}", write_manifest(kind_of(arguments.as), info, options, manifest));
  return kDone;
}

}  // namespace

void add_export_command(CLI::App& app, Run& run) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command = app.add_subcommand(
      "export",
      "Writes a strategy's parameters as the YAML that the imitated system reads.\n"
      "What the object has no field for stands in a comment with its name; a value that its field\n"
      "does not take is an error. See docs/tuning.md.");
  command
      ->add_option("strategy", arguments->strategy,
                   "A strategy, or its label in the scenario or in the file of --options")
      ->required()
      ->type_name("STRATEGY");
  command
      ->add_option("--as", arguments->as,
                   "hpa (HorizontalPodAutoscaler), keda (ScaledObject), knative (Service)")
      ->required()
      ->check(CLI::IsMember({"hpa", "keda", "knative"}));
  command
      ->add_option("--scenario", arguments->scenario,
                   "Scenario whose model, bounds and settings of the strategy are taken")
      ->type_name("FILE");
  command
      ->add_option(
          "--options", arguments->options,
          "File with `strategies`: what `spate tune` wrote, or a suite. Its settings are taken")
      ->type_name("FILE");
  command
      ->add_option("--model", arguments->model,
                   "Model of the scenario; without one, the model that the gateway's metrics name")
      ->type_name("NAME");
  command
      ->add_option("--name", arguments->name,
                   "Name of the Deployment and of the object. Default: the model's")
      ->type_name("NAME");
  command
      ->add_option("--min", arguments->manifest.min_replicas,
                   "Replicas at least, without a scenario. Default: 1")
      ->check(CLI::Range(0, 1'000'000))
      ->excludes("--scenario");
  command
      ->add_option("--max", arguments->manifest.max_replicas,
                   "Replicas at most, without a scenario. Default: 10")
      ->check(CLI::Range(1, 1'000'000))
      ->excludes("--scenario");
  command
      ->add_option("--prometheus", arguments->manifest.prometheus,
                   "The Prometheus that KEDA asks. Default: http://prometheus:9090")
      ->type_name("URL");
  command->footer(
      "Example:\n  spate tune keda suites/standard.yaml\n"
      "  spate export keda --as keda --options var/tuning/standard-keda.yaml --model resnet50\n\n" +
      exit_text({{kDone, "written to standard output"},
                 {kBadSettings, "it cannot be expressed, or bad settings"}}));
  command->callback([arguments, &run] { run = [arguments] { return run_export(*arguments); }; });
}

}  // namespace spate::app
