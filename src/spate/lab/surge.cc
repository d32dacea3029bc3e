// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/surge.h"

#include <algorithm>
#include <cmath>

namespace spate::lab {
namespace {

constexpr double kStepS = 0.1;
constexpr double kRise = 1.5;

struct Sum {
  double asked = 0.0;
  double in_time = 0.0;
  std::optional<double> ratio() const {
    return asked > 0.0 ? std::optional<double>(in_time / asked) : std::nullopt;
  }
};

// Over the seconds of the plan in [from_s, until_s).
Sum sum_over(const std::vector<InfluxSample>& samples, double from_s, double until_s) {
  Sum out;
  for (const auto& s : samples) {
    if (s.t_s < from_s || s.t_s >= until_s) continue;
    out.asked += s.planned;
    out.in_time += s.in_time;
  }
  return out;
}

std::optional<double> recovery(const Surge& surge, const std::vector<InfluxSample>& samples,
                               double target) {
  for (double t = std::ceil(surge.from_s); t < surge.until_s; t += 1.0) {
    const double near_end = std::min(t + kRecoveryWindowS, surge.until_s);
    const auto near = sum_over(samples, t, near_end).ratio();
    const auto rest = sum_over(samples, t, surge.until_s).ratio();
    if (near && rest && *near >= target && *rest >= target) return t - surge.from_s;
  }
  return std::nullopt;
}

}  // namespace

std::vector<Surge> find_surges(const std::function<double(double)>& rate, double duration_s) {
  std::vector<Surge> out;
  bool open = false;
  const auto steps = static_cast<long>(std::llround(duration_s / kStepS));
  // Read in the middle of each step, so that a boundary on the grid falls between two readings.
  const auto read = [&](long i) { return rate((static_cast<double>(i) + 0.5) * kStepS); };
  for (long i = 1; i < steps; ++i) {
    const double before = read(i - 1);
    const double now = read(i);
    const double t = std::round(static_cast<double>(i) * kStepS * 10.0) / 10.0;
    const bool rises = now > 0.0 && now >= kRise * before;
    const bool falls = now * kRise <= before;
    if (open && (rises || falls)) {
      out.back().until_s = t;
      open = false;
    }
    if (rises) {
      out.push_back({t, duration_s, now});
      open = true;
    }
  }
  return out;
}

SurgeResult judge_surge(const Surge& surge, const std::vector<InfluxSample>& samples,
                        double target) {
  SurgeResult out;
  out.surge = surge;
  const Sum all = sum_over(samples, surge.from_s, surge.until_s);
  const Sum after = sum_over(samples, surge.from_s + kSettleAfterSurgeS, surge.until_s);
  out.asked = all.asked;
  out.attainment = all.ratio();
  out.asked_after = after.asked;
  out.in_time_after = after.in_time;
  out.attainment_after = after.ratio();
  out.recovery_s = recovery(surge, samples, target);
  return out;
}

}  // namespace spate::lab
