// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/core_shares.h"

#include <algorithm>
#include <cmath>

namespace spate::sim {

CoreShares core_shares(double loading, double others, double cpus) {
  const double all = loading + others;
  if (all <= cpus) return {};
  if (loading < 1.0) return {cpus / all, cpus / all};
  // Beside how many threads the last one comes that was put on a CPU. A machine of less than one
  // CPU, or of a broken number, has an equal share at most.
  const double beside = std::floor((all - 1.0) / std::max(1.0, std::floor(cpus)));
  CoreShares out;
  out.loading = std::min(1.0 / (beside + 1.0), cpus / all);
  out.other = others > 0.0 ? std::min(1.0, (cpus - loading * out.loading) / others) : 1.0;
  return out;
}

}  // namespace spate::sim
