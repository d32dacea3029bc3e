// SPDX-License-Identifier: Apache-2.0
//
// scripted: does what a list says at the times it says, blind to every metric. For measurements
// of the machinery itself (how long a decision takes to have its effect) and for replaying
// another system's decisions; it is no contestant.
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo scripted_strategy();

}  // namespace spate::scaling
