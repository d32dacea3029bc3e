// SPDX-License-Identifier: Apache-2.0
//
// kpa: Knative's Pod Autoscaler (Knative Serving v0.50.0), on concurrency.
//
// The gateway plays the activator and the queue proxies: every second the ready replicas report
// their mean requests in flight and the gateway the mean number of waiting ones. The sum goes
// into one bucket a second (kpa_autoscaler.h); every 2 s, and at once when something waits and
// nothing is wanted, the autoscaler takes the means of the stable and the panic window
//
//   wanted = ceil(mean / (target x utilisation)),  within [ready / down_rate, ready x up_rate]
//
// and, in panic (the panic window wants at least panic_threshold times the ready ones), never
// less than the most wanted since. The reconciler then applies the bounds and, towards zero, the
// states Active and Inactive with the stable window and the grace period (kpa_scaler.h).
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo kpa_strategy();

}  // namespace spate::scaling
