// SPDX-License-Identifier: Apache-2.0
//
// none: leaves everything as the scenario starts it. The baseline of every comparison.
#pragma once

#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo none_strategy();

}  // namespace spate::scaling
