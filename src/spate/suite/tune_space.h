// SPDX-License-Identifier: Apache-2.0
//
// SearchSpace: which numbers of a strategy are searched, in which ranges, and a point of the unit
// cube as the strategy's options.
//
// By default a number is searched from an eighth to eight times its value, within what the strategy
// allows, on a logarithmic scale. Left out are numbers that say how often is looked or what the
// world is like (tick_s, metrics_delay_s, ...: a search would only make them as small as can be),
// numbers of 0 or below (there "off" or "as another"), and those of HPA's `behavior` where that is
// off. Naming a number searches it all the same; `name=low..high` gives its range.
//
// Threads: immutable once made.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/scaling/strategies.h"

namespace spate::suite {

struct SearchedNumber {
  std::string name;
  bool integer = false;
  bool logarithmic = true;
  double low = 0.0;
  double high = 1.0;
  double start = 0.0;  // what it is without tuning
};

class SearchSpace {
 public:
  // `base`: settings that stay (nothing = the defaults). `wanted`: "name" or "name=low..high";
  // empty = the choice above. Throws ConfigError: a name that is no number of the strategy, a range
  // outside what it allows, nothing left to search.
  SearchSpace(const scaling::StrategyInfo& info, const std::optional<ConfigReader>& base,
              const std::vector<std::string>& wanted);

  const std::vector<SearchedNumber>& numbers() const { return numbers_; }
  std::size_t size() const { return numbers_.size(); }

  // Values of a point of the unit cube, to three significant digits; and the point of the start.
  std::vector<double> values(const std::vector<double>& point) const;
  std::vector<double> start() const;

  // The strategy's options with these values; what was not searched stands as in `base`.
  std::string options_json(const std::vector<double>& values) const;
  // Whether the strategy takes them (its check across several options).
  bool allowed(const std::vector<double>& values) const;

 private:
  void add(const scaling::OptionSpec& spec, const scaling::StrategyOptions& base,
           const std::string& range);

  scaling::StrategyInfo info_;
  std::string base_json_ = "{}";
  std::vector<SearchedNumber> numbers_;
};

}  // namespace spate::suite
