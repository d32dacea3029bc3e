// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/demand.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace spate::lab {
namespace {

constexpr double kMostValues = 7200.0;

}  // namespace

scaling::DemandByModel demand_of(const Scenario& scenario) {
  scaling::DemandByModel out;
  for (const auto& model : scenario.models) {
    if (!model.scaled) continue;
    scaling::DemandSchedule demand;
    const double whole_s = scenario.warm_up_s + model.profile.duration_s();
    demand.step_s = std::max(1.0, std::ceil(whole_s / kMostValues));
    // Requests until a time, the warm-up at the profile's first rate.
    const auto until = [&](double t_s) {
      const double warm = std::min(t_s, scenario.warm_up_s) * model.profile.rate(0.0);
      return warm + model.profile.cumulative(std::max(0.0, t_s - scenario.warm_up_s));
    };
    for (double t = 0.0; t < whole_s; t += demand.step_s) {
      const double length = std::min(demand.step_s, whole_s - t);
      demand.rates_per_s.push_back(std::max(0.0, until(t + length) - until(t)) / length);
    }
    if (model.capacity && model.capacity->contains("per_s")) {
      demand.capacity_per_s = model.capacity->at("per_s").get<double>();
    }
    out.emplace(model.name, std::move(demand));
  }
  return out;
}

nlohmann::json demand_json(const scaling::DemandByModel& demand) {
  auto out = nlohmann::json::object();
  for (const auto& [model, schedule] : demand) {
    out[model] = {{"step_s", schedule.step_s}, {"rates_per_s", schedule.rates_per_s}};
    if (schedule.capacity_per_s) out[model]["capacity_per_s"] = *schedule.capacity_per_s;
  }
  return out;
}

}  // namespace spate::lab
