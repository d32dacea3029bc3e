// SPDX-License-Identifier: Apache-2.0
//
// limits: what the scenario allows, applied to every decision after the strategy.
#pragma once

#include <string>

#include "spate/scaling/strategy.h"

namespace spate::scaling {

// How many replicas of `cpu_limit` CPUs each the bounds allow, at least min_replicas.
int most_replicas(const Bounds& bounds, double cpu_limit);
// How many CPUs each of `replicas` replicas may have, at least min_cpu.
double most_cpu(const Bounds& bounds, int replicas);

struct Limited {
  int replicas = 0;
  double cpu_limit = 0.0;
  // What changed the request: "max_replicas", "min_replicas", "max_cpu", "min_cpu",
  // "cpu_ceiling", joined by "+"; "" when nothing did.
  std::string clipped_by{};
};

// Clips `replicas` and `cpu_limit` (CPUs per replica, finite) to the bounds: replica bounds,
// CPU bounds, then the ceiling on their product. Where the product is too large, what the
// decision raised gives way: CPU per replica if `cpu_limit` is above `cpu_now`, else replicas;
// if that is not enough (its own minimum), the other gives way too. Minimums win over the
// ceiling: a scenario whose minimums exceed its ceiling is refused before the run.
Limited apply_limits(const Bounds& bounds, int replicas, double cpu_limit, double cpu_now);

}  // namespace spate::scaling
