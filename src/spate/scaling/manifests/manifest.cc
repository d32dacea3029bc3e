// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/manifests/manifest.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "spate/base/config_error.h"
#include "spate/scaling/manifests/writer.h"

namespace spate::scaling {
namespace {

struct Kind {
  ManifestKind kind;
  const char* name;
  const char* object;
  // Of the object's name: what is left of the 63 characters of a label's value by the name of what
  // is made for it; a Service's is a label of DNS-1035, the others' are subdomains of DNS-1123.
  std::size_t longest;
  bool subdomain;
  std::vector<std::string_view> strategies;
  std::string (*write)(const StrategyInfo&, const StrategyOptions&, const ManifestModel&);
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{{ManifestKind::Hpa,
                                      "hpa",
                                      "HorizontalPodAutoscaler",
                                      63,
                                      true,
                                      {"hpa_cpu", "hpa_external"},
                                      hpa_manifest},
                                     {ManifestKind::Keda,
                                      "keda",
                                      "ScaledObject",
                                      63 - 9,
                                      true,
                                      {"keda", "hpa_cpu", "hpa_external"},
                                      keda_manifest},
                                     {ManifestKind::Knative,
                                      "knative",
                                      "Service",
                                      63,
                                      false,
                                      {"kpa", "hpa_cpu"},
                                      knative_manifest}};
  return all;
}

void check_name(const Kind& kind, const std::string& name) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto allowed = [&](char c) {
    return alphanumeric(c) || c == '-' || (c == '.' && kind.subdomain);
  };
  const bool fits = !name.empty() && name.size() <= kind.longest && alphanumeric(name.front()) &&
                    alphanumeric(name.back()) && name.find("..") == std::string::npos &&
                    name.find(".-") == std::string::npos && name.find("-.") == std::string::npos &&
                    std::all_of(name.begin(), name.end(), allowed) &&
                    (kind.subdomain || name.front() > '9');
  if (fits) return;
  throw ConfigError(fmt::format(
      "\"{}\" cannot be the name of a {}: expected at most {} of a-z, 0-9{} and -, {} first and "
      "no - last; --name gives it another",
      name, kind.object, kind.longest, kind.subdomain ? ", ." : "",
      kind.subdomain ? "a letter or digit" : "a letter"));
}

// The value of a label, and the gateway's label `model`.
void check_label(const std::string& model) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  const bool fits = !model.empty() && model.size() <= 63 && alphanumeric(model.front()) &&
                    alphanumeric(model.back()) &&
                    std::all_of(model.begin(), model.end(), [&](char c) {
                      return alphanumeric(c) || c == '-' || c == '_' || c == '.';
                    });
  if (fits) return;
  throw ConfigError(
      fmt::format("the model \"{}\" cannot be the value of a label: expected 1 to 63 of A-Z, a-z, "
                  "0-9, _, . and "
                  "-, letters or digits at both ends",
                  model));
}

}  // namespace

std::string yaml_text(const std::string& text) {
  static const std::set<std::string, std::less<>> kWords{"true", "false", "null", "yes", "no",
                                                         "on",   "off",   "y",    "n"};
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const bool plain = !lower.empty() && lower.front() >= 'a' && lower.front() <= 'z';
  return plain && kWords.count(lower) == 0 ? text : "\"" + text + "\"";
}

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
    return fmt::format("{}", options_.number(spec.name));
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
      check_name(k, model.name);
      ManifestModel labelled = model;
      if (labelled.model.empty()) labelled.model = model.name;
      check_label(labelled.model);
      return k.write(strategy, options, labelled);
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
