// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/model_based/model_based.h"

namespace spate::scaling {

void add_model_based(StrategyRegistry& registry) {
  registry.add(backlog_strategy());
  registry.add(erlang_c_strategy());
  registry.add(vertical_bridge_strategy());
  registry.add(hybrid_strategy());
  registry.add(predictive_strategy());
}

}  // namespace spate::scaling
