// SPDX-License-Identifier: Apache-2.0
//
// StrategyRegistry: the strategies by name, with their options. A value that is passed in, not
// a global; builtin_strategies() holds the one list. A program of your own adds its strategies
// to the value it gets (docs/writing-a-strategy.md).
//
// Used by the gateway (to make one), by the lab (to check a scenario before anything starts) and
// by `spate strategies`.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/scaling/demand.h"
#include "spate/scaling/strategy.h"

namespace spate::scaling {

using OptionValue = std::variant<bool, std::int64_t, double, std::string>;

// One option of a strategy. The kind is that of `otherwise` (the default).
struct OptionSpec {
  std::string name;                                    // ends in its unit: window_s, high_ratio
  OptionValue otherwise;                               // the default
  double low = std::numeric_limits<double>::lowest();  // numbers only, both ends included
  double high = std::numeric_limits<double>::max();
  std::string meaning;  // one sentence
};

// A strategy's options, checked, defaults filled in.
class StrategyOptions {
 public:
  explicit StrategyOptions(std::vector<std::pair<std::string, OptionValue>> values)
      : values_(std::move(values)) {}

  // Require that the strategy declared `name` with this kind.
  double number(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;
  bool boolean(std::string_view name) const;
  const std::string& text(std::string_view name) const;
  Duration seconds(std::string_view name) const { return from_seconds(number(name)); }

  // {"high_ratio":0.8,…}: the effective settings, for the run's records.
  std::string to_json_text() const;

 private:
  const OptionValue& find(std::string_view name) const;
  std::vector<std::pair<std::string, OptionValue>> values_;
};

struct StrategyInfo {
  std::string name;
  std::string summary;  // one sentence: what it sees and does
  std::string source;   // where the rule and its defaults come from
  std::vector<OptionSpec> options;
  std::function<std::unique_ptr<Strategy>(const StrategyOptions&)> make;
  // Checks across several options; "" or what is wrong.
  std::function<std::string(const StrategyOptions&)> check;
  // Those that its decisions name.
  std::vector<Rule> rules{};
  // A baseline that sees the schedule of the demand: whoever runs it must supply that.
  bool sees_schedule = false;
};

class StrategyRegistry {
 public:
  // Adding a name twice is a bug of ours.
  void add(StrategyInfo info);
  const std::vector<StrategyInfo>& list() const { return infos_; }
  std::vector<std::string> names() const;

  // Throws ConfigError, which begins with `where`, naming the nearest known strategy.
  const StrategyInfo& find(std::string_view name, std::string_view where) const;

  // Checks `given` (a map; nothing = all defaults) against the strategy's options; `wrap` among
  // them is left to make(). Throws ConfigError naming file, line, key, range, and for an unknown
  // option the nearest known one.
  static StrategyOptions read_options(const StrategyInfo& info,
                                      const std::optional<ConfigReader>& given);

  // Both of the above, then makes it, within the wrappers that the option `wrap` names, which
  // every strategy has (wrappers/wrappers.h).
  std::unique_ptr<Strategy> make(std::string_view name, const std::optional<ConfigReader>& options,
                                 std::string_view where = "strategy") const;

 private:
  std::vector<StrategyInfo> infos_;
};

// `demand` is for the baselines that see it; without it they refuse to be made.
StrategyRegistry builtin_strategies(const DemandByModel& demand = {});

}  // namespace spate::scaling
