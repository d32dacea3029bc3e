// SPDX-License-Identifier: Apache-2.0
//
// keda: KEDA's ScaledObject (v2.21.0) with the HorizontalPodAutoscaler that it makes (v1.37.2).
//
// Every polling_interval the trigger is active when its value is above activation_target; then
// none becomes one (or min_replicas), and inactivity for longer than cooldown_period ends in none
// (or idle_replicas). In between the HPA decides every sync on the same value (hpa_external.h),
// with min_replicas of at least 1. Where both come at once, the polling comes first.
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo keda_strategy();

}  // namespace spate::scaling
