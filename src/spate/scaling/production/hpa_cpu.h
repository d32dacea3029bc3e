// SPDX-License-Identifier: Apache-2.0
//
// hpa_cpu: the Kubernetes HorizontalPodAutoscaler on CPU utilisation (v1.37.2), seeing what
// metrics-server would show it (v0.9.0).
//
// Every metrics_resolution the CPU use of each replica is the growth of its total since the
// reading before, cut to nanocores and rounded up to millicores. A replica that a reading missed
// has no metric until it was in two readings in a row; a fresh one is shown after 10 s.
//   U = int(sum of use x 100 / sum of requests), ratio = U / target     (replicas with a metric)
//   a starting replica's sample is ignored (cpu_initialization, initial_readiness_delay);
//   missing ones count as at their request (or the target, if higher) on the way down, as idle on
//   the way up; ignored ones as idle on the way up; a ratio that then changes sides holds.
// Then stabilisation, rate limits and bounds as in hpa.h.
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo hpa_cpu_strategy();

}  // namespace spate::scaling
