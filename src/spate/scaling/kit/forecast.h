// SPDX-License-Identifier: Apache-2.0
//
// Forecaster: the next values of an evenly spaced series, by two methods, of which the one whose
// recent forecasts were nearer is used.
//
//   Holt-Winters, additive   level l, trend b, season s of `season` values:
//     l' = alpha (y - s) + (1 - alpha) (l + b)
//     b' = beta (l' - l) + (1 - beta) b
//     s' = gamma (y - l') + (1 - gamma) s         forecast: l + h b + s of that place
//     During the first season s is 0 (Holt's linear method); after it l is its mean, s what
//     differs from that.
//   seasonal naive           the value one season before, times (last three values) / (the same
//     three a season before), kept within 1/2 and 2; the last value during the first season.
//
// Errors are those of forecasts for `horizon` steps ahead, exponentially weighted (gain 0.1):
// their mean size chooses the method, their mean square is the spread.
// Sources: C. C. Holt (1957), P. R. Winters (1960); R. J. Hyndman and G. Athanasopoulos,
// "Forecasting: Principles and Practice".
//
// Memory: three values for each of a season, two for each of a horizon. Threads: plain data.
#pragma once

#include <string_view>
#include <vector>

#include "spate/scaling/kit/memory.h"

namespace spate::scaling {

enum class ForecastMethod : std::uint8_t { Better, HoltWinters, SeasonalNaive };

struct ForecastSettings {
  int season = 60;  // values, 1 to 4096
  int horizon = 1;  // steps ahead by which the methods are judged, 1 to 4096
  double alpha = 0.3;
  double beta = 0.05;
  double gamma = 0.3;
  ForecastMethod method = ForecastMethod::Better;
};

struct ForecastValue {
  double mean = 0.0;    // at least 0
  double spread = 0.0;  // standard deviation of the errors at `horizon`; 0 before any is known
};

class Forecaster {
 public:
  void add(double value, const ForecastSettings& settings);
  bool empty() const { return count_ == 0; }
  bool has_season(const ForecastSettings& settings) const { return count_ >= settings.season; }
  ForecastMethod in_use(const ForecastSettings& settings) const;
  // `steps` >= 0 after the last value; 0 is the last value's own time. Requires !empty().
  ForecastValue ahead(int steps, const ForecastSettings& settings) const;

  void save(MemoryWriter& out) const;
  static Forecaster load(MemoryReader& in);

 private:
  double holt_winters(int steps, const ForecastSettings& settings) const;
  double seasonal_naive(int steps, const ForecastSettings& settings) const;
  void judge(double value);

  struct Pending {
    double holt_winters = 0.0;
    double seasonal_naive = 0.0;
  };
  struct Errors {
    double size = 0.0;
    double square = 0.0;
    void take(double error, bool first);
  };

  std::int64_t count_ = 0;
  std::int64_t judged_ = 0;
  double level_ = 0.0;
  double trend_ = 0.0;
  std::vector<double> season_;    // s by place in the season
  std::vector<double> values_;    // the last season's values by place
  std::vector<Pending> pending_;  // ring of `horizon` forecasts
  Errors holt_winters_errors_;
  Errors seasonal_naive_errors_;
};

}  // namespace spate::scaling
