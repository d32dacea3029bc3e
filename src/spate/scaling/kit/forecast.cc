// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/kit/forecast.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "spate/base/check.h"

namespace spate::scaling {
namespace {

constexpr double kErrorGain = 0.1;
constexpr int kRecent = 3;

std::size_t place(std::int64_t index, std::size_t size) {
  return static_cast<std::size_t>(index) % size;
}

}  // namespace

void Forecaster::Errors::take(double error, bool first) {
  const double gain = first ? 1.0 : kErrorGain;
  size += gain * (std::abs(error) - size);
  square += gain * (error * error - square);
}

void Forecaster::judge(double value) {
  const auto horizon = static_cast<std::int64_t>(pending_.size());
  if (count_ < horizon) return;
  // Made when the value `horizon` steps before this one had just come.
  const Pending& made = pending_[place(count_, pending_.size())];
  holt_winters_errors_.take(value - made.holt_winters, judged_ == 0);
  seasonal_naive_errors_.take(value - made.seasonal_naive, judged_ == 0);
  ++judged_;
}

void Forecaster::add(double value, const ForecastSettings& s) {
  const auto season = static_cast<std::size_t>(s.season);
  if (season_.size() != season || pending_.size() != static_cast<std::size_t>(s.horizon)) {
    *this = {};
    season_.assign(season, 0.0);
    values_.assign(2 * season, 0.0);
    pending_.assign(static_cast<std::size_t>(s.horizon), {});
  }
  judge(value);
  const std::size_t here = place(count_, season);
  if (count_ == 0) {
    level_ = value;
  } else {
    const double before = level_;
    level_ = s.alpha * (value - season_[here]) + (1.0 - s.alpha) * (level_ + trend_);
    trend_ = s.beta * (level_ - before) + (1.0 - s.beta) * trend_;
    if (count_ >= s.season) {
      season_[here] = s.gamma * (value - level_) + (1.0 - s.gamma) * season_[here];
    }
  }
  values_[place(count_, values_.size())] = value;
  ++count_;
  if (count_ == s.season && s.season > 1) {
    level_ = std::accumulate(values_.begin(), values_.begin() + s.season, 0.0) / s.season;
    trend_ = 0.0;
    for (std::size_t i = 0; i < season; ++i) season_[i] = values_[i] - level_;
  }
  // Kept for the value that comes `horizon` steps after this one.
  pending_[place(count_ - 1 + s.horizon, pending_.size())] = {holt_winters(s.horizon, s),
                                                              seasonal_naive(s.horizon, s)};
}

double Forecaster::holt_winters(int steps, const ForecastSettings& s) const {
  return std::max(0.0, level_ + steps * trend_ +
                           season_[place(count_ - 1 + steps, static_cast<std::size_t>(s.season))]);
}

double Forecaster::seasonal_naive(int steps, const ForecastSettings& s) const {
  const auto value = [&](std::int64_t index) { return values_[place(index, values_.size())]; };
  const std::int64_t last = count_ - 1;
  if (count_ < s.season + kRecent) return value(last);
  double now = 0.0;
  double then = 0.0;
  for (int i = 0; i < kRecent; ++i) {
    now += value(last - i);
    then += value(last - i - s.season);
  }
  const double ratio = then > 0.0 ? std::clamp(now / then, 0.5, 2.0) : 1.0;
  std::int64_t index = last + steps;
  while (index > last) index -= s.season;
  return steps == 0 ? value(last) : value(index) * ratio;
}

ForecastMethod Forecaster::in_use(const ForecastSettings& s) const {
  if (s.method != ForecastMethod::Better) return s.method;
  return seasonal_naive_errors_.size < holt_winters_errors_.size ? ForecastMethod::SeasonalNaive
                                                                 : ForecastMethod::HoltWinters;
}

ForecastValue Forecaster::ahead(int steps, const ForecastSettings& s) const {
  SPATE_CHECK(count_ > 0, "a forecast needs a value");
  if (in_use(s) == ForecastMethod::SeasonalNaive) {
    return {seasonal_naive(steps, s), std::sqrt(seasonal_naive_errors_.square)};
  }
  return {holt_winters(steps, s), std::sqrt(holt_winters_errors_.square)};
}

void Forecaster::save(MemoryWriter& out) const {
  out.put(count_);
  out.put(judged_);
  out.put(level_);
  out.put(trend_);
  for (const Errors* e : {&holt_winters_errors_, &seasonal_naive_errors_}) {
    out.put(e->size);
    out.put(e->square);
  }
  out.put(static_cast<std::int64_t>(season_.size()));
  for (const double v : season_) out.put(v);
  for (const double v : values_) out.put(v);
  out.put(static_cast<std::int64_t>(pending_.size()));
  for (const Pending& p : pending_) {
    out.put(p.holt_winters);
    out.put(p.seasonal_naive);
  }
}

Forecaster Forecaster::load(MemoryReader& in) {
  Forecaster f;
  f.count_ = in.integer(0, std::int64_t{1} << 50);
  f.judged_ = in.integer(0, std::int64_t{1} << 50);
  f.level_ = in.number();
  f.trend_ = in.number();
  for (Errors* e : {&f.holt_winters_errors_, &f.seasonal_naive_errors_}) {
    e->size = in.number();
    e->square = in.number();
  }
  f.season_.resize(static_cast<std::size_t>(in.integer(0, 4096)));
  f.values_.resize(2 * f.season_.size());
  for (double& v : f.season_) v = in.number();
  for (double& v : f.values_) v = in.number();
  f.pending_.resize(static_cast<std::size_t>(in.integer(0, 4096)));
  for (Pending& p : f.pending_) {
    p.holt_winters = in.number();
    p.seasonal_naive = in.number();
  }
  if (f.count_ > 0 && (f.season_.empty() || f.pending_.empty())) {
    throw std::invalid_argument("a forecaster without its series");
  }
  return f;
}

}  // namespace spate::scaling
