// SPDX-License-Identifier: Apache-2.0
//
// ray_serve: Ray Serve's default policy (replica_queue_length_autoscaling_policy), Ray 2.60.0.
//
// The gateway plays the router's handle: it records the requests waiting and those at each replica
// every min(0.2 x look_back, metrics_interval), pushes the records of the look-back period every
// metrics_interval, and, while no replica runs, at each arriving request. The controller merges
// the running replicas' series and the queue's into one step function from the moment all have a
// point, takes its time-weighted mean (or its maximum or minimum) up to now, and wants
//
//   desired = total / target_ongoing_requests;   n running, t wanted now
//   scaled  = ceil(n + factor x (desired - n)), one less if that would not move down
//
// A want that differs from t must last for the delay of its direction; then the latest want is
// taken. From zero replicas with requests it acts at once.
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo ray_serve_strategy();

}  // namespace spate::scaling
