// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/planned_demand.h"

#include <algorithm>
#include <cmath>

namespace spate::sim {
namespace {

constexpr double kMostValues = 7200.0;

}  // namespace

scaling::DemandSchedule planned_demand(const influx::Profile& profile, double warm_up_s) {
  scaling::DemandSchedule out;
  const double whole_s = warm_up_s + profile.duration_s();
  out.step_s = std::max(1.0, std::ceil(whole_s / kMostValues));
  // Requests until a time, the warm-up at the profile's first rate.
  const auto until = [&](double t_s) {
    const double warm = std::min(t_s, warm_up_s) * profile.rate(0.0);
    return warm + profile.cumulative(std::max(0.0, t_s - warm_up_s));
  };
  for (double t = 0.0; t < whole_s; t += out.step_s) {
    const double length = std::min(out.step_s, whole_s - t);
    out.rates_per_s.push_back(std::max(0.0, until(t + length) - until(t)) / length);
  }
  return out;
}

}  // namespace spate::sim
