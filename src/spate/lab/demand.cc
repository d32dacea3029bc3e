// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/demand.h"

#include <nlohmann/json.hpp>

#include "spate/sim/planned_demand.h"

namespace spate::lab {
scaling::DemandByModel demand_of(const Scenario& scenario) {
  scaling::DemandByModel out;
  for (const auto& model : scenario.models) {
    if (!model.scaled) continue;
    auto demand = sim::planned_demand(model.profile, scenario.warm_up_s);
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
