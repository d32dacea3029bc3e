// SPDX-License-Identifier: Apache-2.0
//
// Ray Serve's controller-side arithmetic: merging gauge series and reducing them, to the last bit
// (Ray 2.60.0, serve/_private/autoscaling_metrics_merge.py).
#pragma once

#include <string_view>
#include <vector>

#include "spate/base/clock.h"
#include "spate/scaling/signal.h"

namespace spate::scaling {

// Seconds as Ray's controller has them (a double).
double ray_seconds(TimePoint at);

// The total of all `sources` (each sorted by time, none empty) as a right-continuous step
// function, reduced over the time from which all have a point until `now`.
// `aggregate`: "mean" (time-weighted), "max" or "min" of the step function's values. 0 for none.
double ray_total(const std::vector<std::vector<TimedValue>>& sources, TimePoint now,
                 std::string_view aggregate);

}  // namespace spate::scaling
