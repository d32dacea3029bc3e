// SPDX-License-Identifier: Apache-2.0
//
// The scenario's demand as strategies that see it get it (scaling/demand.h).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "spate/lab/scenario.h"
#include "spate/scaling/demand.h"

namespace spate::lab {

// Of every model that strategies see: warm-up and measured window, in means over a second (over
// more where that would be above 7 200 values). Requires the demand resolved.
scaling::DemandByModel demand_of(const Scenario& scenario);

// As scaling::read_demand() reads it.
nlohmann::json demand_json(const scaling::DemandByModel& demand);

}  // namespace spate::lab
