// SPDX-License-Identifier: Apache-2.0
//
// The autoscalers that studies of elasticity compare (Ilyushkin et al., ICPE 2017), as their
// authors intended them; docs/strategies/ says where known prototypes differ. All see the load in
// whole replicas, L = ceil(arrivals / (rate of a replica x utilisation)), once a period.
#pragma once

#include "spate/scaling/kit/load.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {

void add_classical(StrategyRegistry& registry);

// react.cc
StrategyInfo react_strategy();
StrategyInfo adapt_strategy();
// regression.cc
StrategyInfo hist_strategy();
StrategyInfo reg_strategy();
StrategyInfo conpaas_strategy();

// The options they share: utilisation_ratio and LoadSensor's with a period of 30 s.
std::vector<OptionSpec> classical_options();

}  // namespace spate::scaling
