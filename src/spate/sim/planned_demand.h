// SPDX-License-Identifier: Apache-2.0
//
// planned_demand: a profile as the schedule that the baselines see, live and simulated.
#pragma once

#include "spate/influx/profile.h"
#include "spate/scaling/demand.h"

namespace spate::sim {

// Mean rates of `profile` in steps of a second, or of as many as make 7200 of them, after
// `warm_up_s` at its first rate. The capacity is left unset.
scaling::DemandSchedule planned_demand(const influx::Profile& profile, double warm_up_s);

}  // namespace spate::sim
