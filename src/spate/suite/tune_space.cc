// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/tune_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"

namespace spate::suite {
namespace {

using scaling::OptionSpec;
using scaling::StrategyOptions;

constexpr double kFactor = 8.0;

// How often is looked, what the world is like, or a flag of a whole cluster.
constexpr std::array<std::string_view, 13> kNotByItself{"tick_s",
                                                        "sample_s",
                                                        "sync_s",
                                                        "metrics_interval_s",
                                                        "rate_per_s",
                                                        "metrics_delay_s",
                                                        "pending_s",
                                                        "metrics_resolution_s",
                                                        "start_up_s",
                                                        "period_s",
                                                        "tolerance_ratio",
                                                        "cpu_initialization_s",
                                                        "initial_readiness_delay_s"};

bool is_number(const OptionSpec& spec) {
  return std::holds_alternative<double>(spec.otherwise) ||
         std::holds_alternative<std::int64_t>(spec.otherwise);
}

double value_of(const StrategyOptions& options, const OptionSpec& spec) {
  return std::holds_alternative<double>(spec.otherwise)
             ? options.number(spec.name)
             : static_cast<double>(options.integer(spec.name));
}

// Options of the HPA's `behavior` mean nothing where that is off.
bool without_effect(const scaling::StrategyInfo& info, const StrategyOptions& options,
                    const std::string& name) {
  const bool of_behavior = name.rfind("up_", 0) == 0 || name.rfind("down_", 0) == 0;
  const bool has = std::any_of(info.options.begin(), info.options.end(),
                               [](const OptionSpec& s) { return s.name == "behavior"; });
  return of_behavior && has && !options.boolean("behavior");
}

// Three significant digits: more would claim more than a search finds.
double rounded(double value) {
  if (value == 0.0) return 0.0;
  const double scale = std::pow(10.0, 2.0 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

std::pair<double, double> read_range(const std::string& text, const OptionSpec& spec) {
  const auto dots = text.find("..");
  const auto bad = [&] {
    throw ConfigError(fmt::format("--parameters {}={}: expected LOW..HIGH within {:g} to {:g}",
                                  spec.name, text, spec.low, spec.high));
  };
  if (dots == std::string::npos) bad();
  try {
    std::size_t used = 0;
    const double low = std::stod(text.substr(0, dots), &used);
    if (used != dots) bad();
    const std::string rest = text.substr(dots + 2);
    const double high = std::stod(rest, &used);
    if (used != rest.size() || !(low < high) || low < spec.low || high > spec.high) bad();
    return {low, high};
  } catch (const std::logic_error&) {
    bad();
  }
  return {};
}

}  // namespace

SearchSpace::SearchSpace(const scaling::StrategyInfo& info, const std::optional<ConfigReader>& base,
                         const std::vector<std::string>& wanted)
    : info_(info) {
  if (base) base_json_ = base->to_json_text();
  const StrategyOptions options = scaling::StrategyRegistry::read_options(info, base);
  std::vector<std::string> known;
  for (const auto& spec : info.options) {
    if (is_number(spec)) known.push_back(spec.name);
  }
  for (const auto& entry : wanted) {
    const std::string name = entry.substr(0, entry.find('='));
    const auto spec = std::find_if(info.options.begin(), info.options.end(),
                                   [&](const OptionSpec& s) { return s.name == name; });
    if (spec == info.options.end() || !is_number(*spec)) {
      const std::string near = nearest_word(name, known);
      throw ConfigError(fmt::format(
          "--parameters: strategy \"{}\" has no number \"{}\"{} (known: {})", info.name, name,
          near.empty() ? "" : "; did you mean \"" + near + "\"?", fmt::join(known, ", ")));
    }
    add(*spec, options, entry == name ? "" : entry.substr(name.size() + 1));
  }
  for (const auto& spec : info.options) {
    if (!wanted.empty() || !is_number(spec) || value_of(options, spec) <= 0.0) continue;
    if (std::find(kNotByItself.begin(), kNotByItself.end(), spec.name) != kNotByItself.end()) {
      continue;
    }
    if (!without_effect(info, options, spec.name)) add(spec, options, "");
  }
  if (numbers_.empty()) {
    throw ConfigError(fmt::format("strategy \"{}\" has no number to search", info.name));
  }
}

void SearchSpace::add(const OptionSpec& spec, const StrategyOptions& base,
                      const std::string& range) {
  SearchedNumber n;
  n.name = spec.name;
  n.integer = std::holds_alternative<std::int64_t>(spec.otherwise);
  n.start = value_of(base, spec);
  if (!range.empty()) {
    std::tie(n.low, n.high) = read_range(range, spec);
  } else if (n.start > 0.0) {
    n.low = std::max(spec.low, n.start / kFactor);
    n.high = std::min(spec.high, n.start * kFactor);
    if (n.integer) n.low = std::max(1.0, std::ceil(n.low));
  } else {
    throw ConfigError(fmt::format(
        "--parameters {0}: it stands at {1:g}, so give a range: {0}=LOW..HIGH", n.name, n.start));
  }
  n.logarithmic = n.low > 0.0;
  numbers_.push_back(std::move(n));
}

std::vector<double> SearchSpace::values(const std::vector<double>& point) const {
  std::vector<double> out;
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    const SearchedNumber& n = numbers_[i];
    const double u = std::clamp(point[i], 0.0, 1.0);
    double v = n.logarithmic ? n.low * std::pow(n.high / n.low, u) : n.low + (n.high - n.low) * u;
    v = n.integer ? std::round(v) : rounded(v);
    out.push_back(std::clamp(v, n.low, n.high));
  }
  return out;
}

std::vector<double> SearchSpace::start() const {
  std::vector<double> out;
  for (const auto& n : numbers_) {
    const double at = std::clamp(n.start, n.low, n.high);
    const double width = n.logarithmic ? std::log(n.high / n.low) : n.high - n.low;
    const double from = n.logarithmic ? std::log(at / n.low) : at - n.low;
    out.push_back(width > 0.0 ? from / width : 0.0);
  }
  return out;
}

std::string SearchSpace::options_json(const std::vector<double>& values) const {
  auto out = nlohmann::ordered_json::parse(base_json_);
  if (!out.is_object()) out = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    if (numbers_[i].integer) {
      out[numbers_[i].name] = static_cast<std::int64_t>(values[i]);
    } else {
      out[numbers_[i].name] = values[i];
    }
  }
  return out.dump();
}

bool SearchSpace::allowed(const std::vector<double>& values) const {
  try {
    (void)scaling::StrategyRegistry::read_options(
        info_, ConfigReader::from_text(options_json(values), "candidate"));
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

}  // namespace spate::suite
