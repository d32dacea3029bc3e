// SPDX-License-Identifier: Apache-2.0
//
// The production autoscalers' ports: strategies that decide exactly as the originals' code does.
// tests/vectors holds decisions of the originals, tools/oracles draws fresh ones.
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

void add_production_autoscalers(StrategyRegistry& registry);

}  // namespace spate::scaling
