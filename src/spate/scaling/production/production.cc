// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/production.h"

#include "spate/scaling/production/hpa_cpu.h"
#include "spate/scaling/production/hpa_external.h"
#include "spate/scaling/production/keda.h"
#include "spate/scaling/production/kpa.h"
#include "spate/scaling/production/ray_serve.h"

namespace spate::scaling {

void add_production_autoscalers(StrategyRegistry& registry) {
  registry.add(hpa_cpu_strategy());
  registry.add(hpa_external_strategy());
  registry.add(keda_strategy());
  registry.add(kpa_strategy());
  registry.add(ray_serve_strategy());
}

}  // namespace spate::scaling
