// SPDX-License-Identifier: Apache-2.0
//
// Strategies with a model of the service: they size from arrivals, the queue and what a request
// costs. docs/strategies/ has a page on each.
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo backlog_strategy();          // backlog.cc
StrategyInfo erlang_c_strategy();         // erlang_c.cc
StrategyInfo vertical_bridge_strategy();  // vertical_bridge.cc
StrategyInfo hybrid_strategy();           // hybrid.cc
StrategyInfo predictive_strategy();       // predictive.cc

void add_model_based(StrategyRegistry& registry);

}  // namespace spate::scaling
