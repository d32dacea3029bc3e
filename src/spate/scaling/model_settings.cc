// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/model_settings.h"

#include <fmt/format.h>

#include "spate/base/config_error.h"
#include "spate/scaling/limits.h"

namespace spate::scaling {
namespace {

constexpr double kCpuSlack = 1e-6;

}  // namespace

void check_settings(const ModelSettings& m) {
  const auto complain = [&](const std::string& what) {
    throw ConfigError(fmt::format("model \"{}\": {}", m.name, what));
  };
  const Bounds& b = m.bounds;
  if (m.cpu_limit <= 0.0) complain("cpu_limit must be above 0");
  if (m.cpu_request <= 0.0) complain("cpu_request must be above 0");
  if (m.warm_pool < 0 || m.warm_pool > m.max_warm_pool) {
    complain(fmt::format("warm_pool {} must be between 0 and max_warm_pool {}", m.warm_pool,
                         m.max_warm_pool));
  }
  if (!m.scaled) return;
  if (b.min_replicas < 0 || b.min_replicas > b.max_replicas) {
    complain(fmt::format("min_replicas {} must be between 0 and max_replicas {}", b.min_replicas,
                         b.max_replicas));
  }
  if (b.min_cpu <= 0.0 || b.min_cpu > b.max_cpu) {
    complain(
        fmt::format("min_cpu {:g} must be above 0 and at most max_cpu {:g}", b.min_cpu, b.max_cpu));
  }
  if (b.min_replicas * b.min_cpu > b.cpu_ceiling + kCpuSlack) {
    complain(fmt::format("min_replicas {} x min_cpu {:g} is above cpu_ceiling {:g}", b.min_replicas,
                         b.min_cpu, b.cpu_ceiling));
  }
  const Limited start = apply_limits(b, m.replicas, m.cpu_limit, m.cpu_limit);
  if (!start.clipped_by.empty()) {
    complain(fmt::format("it starts with {} replicas of {:g} CPU, which {} does not allow",
                         m.replicas, m.cpu_limit, start.clipped_by));
  }
}

}  // namespace spate::scaling
