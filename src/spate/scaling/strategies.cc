// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/strategies.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "spate/base/check.h"
#include "spate/base/config_error.h"
#include "spate/scaling/baselines/baselines.h"
#include "spate/scaling/classical/classical.h"
#include "spate/scaling/clouds/clouds.h"
#include "spate/scaling/model_based/model_based.h"
#include "spate/scaling/none.h"
#include "spate/scaling/production/production.h"
#include "spate/scaling/scripted.h"
#include "spate/scaling/threshold.h"
#include "spate/scaling/wrappers/wrappers.h"

namespace spate::scaling {
namespace {

OptionValue read_value(const OptionSpec& spec, const ConfigReader& node) {
  if (std::holds_alternative<bool>(spec.otherwise)) return node.boolean();
  if (std::holds_alternative<std::string>(spec.otherwise)) return node.text();
  if (std::holds_alternative<std::int64_t>(spec.otherwise)) {
    return node.integer(static_cast<std::int64_t>(std::max(spec.low, -9e15)),
                        static_cast<std::int64_t>(std::min(spec.high, 9e15)));
  }
  return node.number(spec.low, spec.high);
}

}  // namespace

const OptionValue& StrategyOptions::find(std::string_view name) const {
  const auto it = std::find_if(values_.begin(), values_.end(),
                               [&](const auto& entry) { return entry.first == name; });
  SPATE_CHECK(it != values_.end(), "the strategy declared no such option");
  return it->second;
}

double StrategyOptions::number(std::string_view name) const { return std::get<double>(find(name)); }
std::int64_t StrategyOptions::integer(std::string_view name) const {
  return std::get<std::int64_t>(find(name));
}
bool StrategyOptions::boolean(std::string_view name) const { return std::get<bool>(find(name)); }
const std::string& StrategyOptions::text(std::string_view name) const {
  return std::get<std::string>(find(name));
}

std::string StrategyOptions::to_json_text() const {
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const auto& [name, value] : values_) {
    std::visit([&, key = name](const auto& v) { out[key] = v; }, value);
  }
  return out.dump();
}

void StrategyRegistry::add(StrategyInfo info) {
  SPATE_CHECK(std::none_of(infos_.begin(), infos_.end(),
                           [&](const StrategyInfo& known) { return known.name == info.name; }),
              "a strategy of this name is registered already: " + info.name);
  SPATE_CHECK(info.make != nullptr, "a strategy needs a factory: " + info.name);
  infos_.push_back(std::move(info));
}

std::vector<std::string> StrategyRegistry::names() const {
  std::vector<std::string> out;
  for (const auto& info : infos_) out.push_back(info.name);
  return out;
}

const StrategyInfo& StrategyRegistry::find(std::string_view name, std::string_view where) const {
  for (const auto& info : infos_) {
    if (info.name == name) return info;
  }
  const std::string near = nearest_word(name, names());
  throw ConfigError(fmt::format("{}: unknown strategy \"{}\"{} (known: {})", where, name,
                                near.empty() ? "" : "; did you mean \"" + near + "\"?",
                                fmt::join(names(), ", ")));
}

StrategyOptions StrategyRegistry::read_options(const StrategyInfo& info,
                                               const std::optional<ConfigReader>& given) {
  if (given) {
    std::vector<std::string> known;
    for (const auto& spec : info.options) known.push_back(spec.name);
    std::vector<std::string> seen;
    for (const auto& key : given->keys()) {
      if (key == "wrap") continue;
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        const std::string near = nearest_word(key, known);
        given->complain(fmt::format(
            "strategy \"{}\" has no option \"{}\"{} ({})", info.name, key,
            near.empty() ? "" : "; did you mean \"" + near + "\"?",
            known.empty() ? "it has none" : fmt::format("known: {}", fmt::join(known, ", "))));
      }
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
        given->complain(fmt::format("option \"{}\" is given twice", key));
      }
      seen.push_back(key);
    }
  }
  std::vector<std::pair<std::string, OptionValue>> values;
  for (const auto& spec : info.options) {
    const auto node = given ? given->find(spec.name) : std::nullopt;
    values.emplace_back(spec.name, node ? read_value(spec, *node) : spec.otherwise);
  }
  StrategyOptions options(std::move(values));
  if (info.check) {
    const std::string wrong = info.check(options);
    if (!wrong.empty()) {
      if (given) given->complain(wrong);
      throw ConfigError(fmt::format("strategy \"{}\": {}", info.name, wrong));
    }
  }
  return options;
}

std::unique_ptr<Strategy> StrategyRegistry::make(std::string_view name,
                                                 const std::optional<ConfigReader>& options,
                                                 std::string_view where) const {
  const StrategyInfo& info = find(name, where);
  return wrap(info.make(read_options(info, options)),
              options ? options->find("wrap") : std::nullopt);
}

StrategyRegistry builtin_strategies(const DemandByModel& demand) {
  StrategyRegistry registry;
  registry.add(none_strategy());
  registry.add(horizontal_strategy());
  registry.add(vertical_strategy());
  registry.add(scripted_strategy());
  add_model_based(registry);
  add_production_autoscalers(registry);
  add_clouds(registry);
  add_classical(registry);
  add_baselines(registry, demand);
  return registry;
}

}  // namespace spate::scaling
