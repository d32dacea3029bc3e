// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/limits.h"

#include <algorithm>
#include <cmath>

namespace spate::scaling {
namespace {

// 3 x 0.3 is not 0.9 in doubles: a part in a million of a CPU is no overrun.
constexpr double kSlack = 1e-6;

void name(std::string& clipped_by, const char* limit) {
  if (!clipped_by.empty()) clipped_by += '+';
  clipped_by += limit;
}

}  // namespace

int most_replicas(const Bounds& bounds, double cpu_limit) {
  int most = bounds.max_replicas;
  if (cpu_limit > 0.0) {
    const double fit = std::floor((bounds.cpu_ceiling + kSlack) / cpu_limit);
    if (fit < most) most = static_cast<int>(fit);
  }
  return std::max(most, bounds.min_replicas);
}

double most_cpu(const Bounds& bounds, int replicas) {
  const double most =
      replicas > 0 ? std::min(bounds.max_cpu, bounds.cpu_ceiling / replicas) : bounds.max_cpu;
  return std::max(most, bounds.min_cpu);
}

Limited apply_limits(const Bounds& bounds, int replicas, double cpu_limit, double cpu_now) {
  Limited out{.replicas = replicas, .cpu_limit = cpu_limit, .clipped_by = {}};
  if (out.replicas > bounds.max_replicas) {
    out.replicas = bounds.max_replicas;
    name(out.clipped_by, "max_replicas");
  }
  if (out.replicas < bounds.min_replicas) {
    out.replicas = bounds.min_replicas;
    name(out.clipped_by, "min_replicas");
  }
  if (out.cpu_limit > bounds.max_cpu + kSlack) {
    out.cpu_limit = bounds.max_cpu;
    name(out.clipped_by, "max_cpu");
  }
  if (out.cpu_limit < bounds.min_cpu - kSlack) {
    out.cpu_limit = bounds.min_cpu;
    name(out.clipped_by, "min_cpu");
  }
  if (out.replicas * out.cpu_limit > bounds.cpu_ceiling + kSlack) {
    name(out.clipped_by, "cpu_ceiling");
    const bool cpu_gives_way = out.cpu_limit > cpu_now + kSlack;
    // What was raised first, then the other, so that the product always fits if it can.
    for (const bool cpu : {cpu_gives_way, !cpu_gives_way}) {
      if (cpu) {
        out.cpu_limit = std::min(out.cpu_limit, most_cpu(bounds, out.replicas));
      } else {
        out.replicas = std::min(out.replicas, most_replicas(bounds, out.cpu_limit));
      }
    }
  }
  return out;
}

}  // namespace spate::scaling
