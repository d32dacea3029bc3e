// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/saturated_calls.h"

#include "spate/base/rng.h"
#include "spate/sim/cpu_group.h"

namespace spate::lab {

std::vector<Duration> saturated_calls(const sim::ServiceLaws& laws, int batch, double cpus,
                                      Duration period, std::uint64_t seed, int count) {
  Rng rng(seed, "capacity");
  sim::CpuGroup group(period.count());
  group.set_limit(cpus, 0);
  group.set_demand(1.0);
  const auto draw = laws.of(batch);
  std::vector<Duration> out;
  std::int64_t now = 0;
  for (int i = 0; i < count; ++i) {
    const std::int64_t end = group.when(group.v() + draw.law->sample_ns(rng) * draw.scale);
    group.advance(end);
    out.emplace_back(end - now);
    now = end;
  }
  return out;
}

}  // namespace spate::lab
