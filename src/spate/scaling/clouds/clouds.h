// SPDX-License-Identifier: Apache-2.0
//
// Autoscalers of public clouds, after their documentation (their code is not public).
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo aws_target_tracking_strategy();  // aws_target_tracking.cc

void add_clouds(StrategyRegistry& registry);

}  // namespace spate::scaling
