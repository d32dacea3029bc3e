// SPDX-License-Identifier: Apache-2.0
//
// Baselines that see the schedule of the demand; what no real autoscaler has, to compare with.
//
//   static_peak   always enough for the schedule's highest rate
//   static_mean   always enough for its mean rate
//   oracle_rate   at each moment enough for the rate of that moment (it starts replicas too late)
//   oracle_boot   enough for the highest rate until a replica asked for now would be ready
//
//   n = ceil(rate / rate of a replica)
//
// The rate of a replica is: option `rate_per_s`; else the capacity measured for the scenario (at
// which the objective is just met); else what is learned from CPU time, times `utilisation_ratio`.
// Until one is known they hold. Without a schedule they refuse to be made.
#pragma once

#include "spate/scaling/demand.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {

void add_baselines(StrategyRegistry& registry, const DemandByModel& demand);

}  // namespace spate::scaling
