// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/ray_merge.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

namespace spate::scaling {
namespace {

struct Steps {
  std::vector<double> at;  // seconds, ascending
  std::vector<double> value;
};

double round_10ms(double seconds) { return std::floor(seconds * 100.0 + 0.5) / 100.0; }

// One source passes as it is; several are merged at their changes, which are rounded to 10 ms
// after the change was found.
Steps merge(const std::vector<std::vector<TimedValue>>& sources) {
  Steps out;
  if (sources.size() == 1) {
    for (const TimedValue& point : sources.front()) {
      out.at.push_back(ray_seconds(point.at));
      out.value.push_back(point.value);
    }
    return out;
  }
  std::map<double, double> changes;
  for (const auto& source : sources) {
    double before = 0.0;
    for (const TimedValue& point : source) {
      const double delta = point.value - before;
      if (delta != 0.0) changes[round_10ms(ray_seconds(point.at))] += delta;
      before = point.value;
    }
  }
  double total = 0.0;
  for (const auto& [at, delta] : changes) {
    total += delta;
    out.at.push_back(at);
    out.value.push_back(total);
  }
  return out;
}

// numpy's sum of doubles: eight lanes from eight elements on, pairs of blocks above 128.
double numpy_sum(const double* x, std::size_t n) {
  if (n < 8) {
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += x[i];
    return sum;
  }
  if (n > 128) {
    const std::size_t half = n / 2 - n / 2 % 8;
    return numpy_sum(x, half) + numpy_sum(x + half, n - half);
  }
  double lane[8];
  std::copy(x, x + 8, lane);
  std::size_t i = 8;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) lane[k] += x[i + k];
  }
  double sum =
      ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  for (; i < n; ++i) sum += x[i];
  return sum;
}

double time_weighted_mean(const Steps& steps, std::optional<double> from, double last_s) {
  const double begin = from.value_or(steps.at.front());
  const double end = steps.at.back() + last_s;
  if (end <= begin) return 0.0;
  std::vector<double> edges{begin};
  for (const double at : steps.at) {
    if (at > begin) edges.push_back(at);
  }
  edges.push_back(end);
  std::vector<double> lasted;
  double dot = 0.0;
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    const auto after = std::upper_bound(steps.at.begin(), steps.at.end(), edges[i]);
    const double active = after == steps.at.begin()
                              ? 0.0
                              : steps.value[static_cast<std::size_t>(after - steps.at.begin()) - 1];
    lasted.push_back(edges[i + 1] - edges[i]);
    // The original's dot product accumulates with fused multiply-adds.
    dot = std::fma(active, lasted.back(), dot);
  }
  return dot / numpy_sum(lasted.data(), lasted.size());
}

}  // namespace

double ray_seconds(TimePoint at) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(at);
  return static_cast<double>(whole.time_since_epoch().count()) + to_seconds(at - whole);
}

double ray_total(const std::vector<std::vector<TimedValue>>& sources, TimePoint now,
                 std::string_view aggregate) {
  if (sources.empty()) return 0.0;
  const Steps steps = merge(sources);
  if (steps.at.empty()) return 0.0;
  double last_s = ray_seconds(now) - steps.at.back();
  if (last_s <= 0.0) last_s = 1e-3;
  std::optional<double> from;
  if (sources.size() > 1) {
    double aligned = ray_seconds(sources.front().front().at);
    for (const auto& source : sources) {
      aligned = std::max(aligned, ray_seconds(source.front().at));
    }
    if (aligned <= steps.at.back()) from = std::max(aligned, steps.at.front());
  }
  if (aggregate == "mean") return time_weighted_mean(steps, from, last_s);
  std::optional<double> best;
  for (std::size_t i = 0; i < steps.at.size(); ++i) {
    if (from && steps.at[i] < *from) continue;
    if (!best || (aggregate == "max" ? steps.value[i] > *best : steps.value[i] < *best)) {
      best = steps.value[i];
    }
  }
  return best.value_or(0.0);
}

}  // namespace spate::scaling
