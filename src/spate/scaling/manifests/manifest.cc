// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/manifests/manifest.h"

#include <algorithm>
#include <cmath>

#include "spate/base/config_error.h"
#include "spate/scaling/manifests/writer.h"

namespace spate::scaling {
namespace {

struct Kind {
  ManifestKind kind;
  const char* name;
  std::vector<std::string_view> strategies;
  std::string (*write)(const StrategyInfo&, const StrategyOptions&, const ManifestModel&);
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {ManifestKind::Hpa, "hpa", {"hpa_cpu", "hpa_external"}, hpa_manifest},
      {ManifestKind::Keda, "keda", {"keda", "hpa_cpu", "hpa_external"}, keda_manifest},
      {ManifestKind::Knative, "knative", {"kpa", "hpa_cpu"}, knative_manifest}};
  return all;
}

}  // namespace

const std::string& ManifestWriter::placed(const std::string& name) {
  placed_[name] = true;
  return name;
}

bool ManifestWriter::has(const std::string& name) const {
  return std::any_of(strategy_.options.begin(), strategy_.options.end(),
                     [&](const OptionSpec& spec) { return spec.name == name; });
}

void ManifestWriter::refuse(const std::string& name, const std::string& expected) const {
  for (const auto& spec : strategy_.options) {
    if (spec.name != name) continue;
    throw ConfigError(fmt::format("{} of {} is {}: a {} takes {}", name, strategy_.name,
                                  value_text(spec), object_, expected));
  }
  throw ConfigError(fmt::format("{}: a {} takes {}", name, object_, expected));
}

std::int64_t ManifestWriter::whole(const std::string& name, double value, double low, double high) {
  if (value != std::floor(value) || value < low || value > high) {
    refuse(name, fmt::format("a whole number from {:g} to {:g}", low, high));
  }
  return static_cast<std::int64_t>(value);
}

double ManifestWriter::value(const std::string& name) {
  for (const auto& spec : strategy_.options) {
    if (spec.name != name || !std::holds_alternative<std::int64_t>(spec.otherwise)) continue;
    return static_cast<double>(integer(name));
  }
  return number(name);
}

std::int64_t ManifestWriter::whole_seconds(const std::string& name, std::int64_t low,
                                           std::int64_t high) {
  const double value = this->value(name);
  if (value != std::floor(value) || value < static_cast<double>(low) ||
      value > static_cast<double>(high)) {
    refuse(name, fmt::format("whole seconds from {} to {}", low, high));
  }
  return static_cast<std::int64_t>(value);
}

void ManifestWriter::elsewhere(const std::string& name, std::string where, bool always) {
  elsewhere_[name] = {std::move(where), always};
}

std::string ManifestWriter::value_text(const OptionSpec& spec) const {
  if (std::holds_alternative<bool>(spec.otherwise)) {
    return options_.boolean(spec.name) ? "true" : "false";
  }
  if (std::holds_alternative<std::int64_t>(spec.otherwise)) {
    return std::to_string(options_.integer(spec.name));
  }
  if (std::holds_alternative<double>(spec.otherwise)) {
    return fmt::format("{:g}", options_.number(spec.name));
  }
  return options_.text(spec.name);
}

bool ManifestWriter::is_default(const OptionSpec& spec) const {
  return std::visit([&](const auto& v) { return value_text(spec) == fmt::format("{}", v); },
                    spec.otherwise) ||
         (std::holds_alternative<double>(spec.otherwise) &&
          options_.number(spec.name) == std::get<double>(spec.otherwise));
}

std::string ManifestWriter::finish() {
  std::string comments;
  for (const auto& spec : strategy_.options) {
    if (placed_.count(spec.name) > 0) continue;
    const auto it = elsewhere_.find(spec.name);
    const bool known = it != elsewhere_.end();
    if (is_default(spec) && !(known && it->second.always)) continue;
    comments += fmt::format("# {}: {}: {}\n", spec.name, value_text(spec),
                            known ? it->second.where : "this object has no field for it");
  }
  std::string head =
      fmt::format("# {} of Spate's strategy {} ({}).\n", object_, strategy_.name, strategy_.source);
  if (!comments.empty()) head += "# Not in the object itself:\n" + comments;
  return head + yaml_;
}

std::string write_manifest(ManifestKind kind, const StrategyInfo& strategy,
                           const StrategyOptions& options, const ManifestModel& model) {
  for (const auto& k : kinds()) {
    if (k.kind != kind) continue;
    if (std::find(k.strategies.begin(), k.strategies.end(), strategy.name) != k.strategies.end()) {
      return k.write(strategy, options, model);
    }
    std::string others;
    for (const auto& other : kinds()) {
      if (std::find(other.strategies.begin(), other.strategies.end(), strategy.name) ==
          other.strategies.end()) {
        continue;
      }
      others += fmt::format("; {} can be written as {}", strategy.name, other.name);
    }
    throw ConfigError(fmt::format(
        "strategy \"{}\" cannot be written as {}: no such object decides as it does (as {} can be "
        "written: {}){}",
        strategy.name, k.name, k.name, fmt::join(k.strategies, ", "), others));
  }
  throw ConfigError("unknown kind of manifest");
}

}  // namespace spate::scaling
