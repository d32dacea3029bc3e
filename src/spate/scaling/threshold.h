// SPDX-License-Identifier: Apache-2.0
//
// horizontal and vertical: the two threshold rules of the original experiment.
//
//   u = mean over ready replicas of (CPU used / CPU limit), over the last `window_s`
//   u >= high_ratio: one step up      u <= low_ratio: one step down      else hold
//
// A step is `step_replicas` replicas (horizontal) or `step_cpus` CPUs per replica (vertical).
// Steps count from what is wanted, so a replica that still starts is counted and not asked for
// again.
//
// Re-arming: after a step the rule waits for a whole fresh window, that is, until every reading
// in it was taken after the change. With `wait_for_ready` the fresh window begins when the
// replicas that the step started are ready (and while one starts the rule holds); without, at
// the decision, as the original did. A replica that was replaced begins a fresh window too.
//
// It holds when a ready replica has no reading, when readings cover less than the window, when
// they are stale (older than two sampling periods) and when they are absurd (not finite,
// negative, above 100 times the limit).
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo horizontal_strategy();
StrategyInfo vertical_strategy();

}  // namespace spate::scaling
