// SPDX-License-Identifier: Apache-2.0
//
// Demand of days and weeks as a profile: a kind that suites know beside influx's own.
#pragma once

#include "spate/influx/profile.h"

namespace spate::suite {

// kind `week`: {trough, peak, day_s, weekend_ratio, step_s}: a day is a sine between trough (at its
// beginning) and peak (at its middle), in steps of step_s; two days of seven have weekend_ratio
// of the demand. Any other kind is influx's. Throws ConfigError.
influx::Profile read_demand_profile(const ConfigReader& in, const influx::ProfileContext& context);

}  // namespace spate::suite
