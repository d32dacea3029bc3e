// SPDX-License-Identifier: Apache-2.0
//
// Staffing: the fewest replicas whose waiting time and service time together meet a latency
// objective, by the M/G/c formulas of kit/queueing.h. Shared by erlang_c and predictive.
//
//   service time of a call   s = cost / min(CPUs, 1)
//   its quantile             s (1 + z(p) x service_cv)        normal approximation
//   waiting time allowed     SLO - quantile of the service time
//   n                        the fewest replicas (each with floor(CPUs), at least 1, servers)
//                            whose waiting-time quantile p is at most that
//
// Both quantiles are taken at the objective's share p, so their sum errs on the safe side. An
// objective that one request alone cannot meet, or that leaves no time for waiting, cannot be
// staffed for: then n keeps the utilisation at most at `utilisation_ratio`, and it says so.
#pragma once

#include <string>
#include <vector>

#include "spate/scaling/kit/load.h"

namespace spate::scaling {

struct StaffingOptions {
  double arrivals_cv = 1.0;
  double service_cv = 0.2;
  double utilisation_ratio = 0.9;

  static std::vector<OptionSpec> specs();
  static StaffingOptions read(const StrategyOptions& options);
};

struct Staffing {
  int replicas = 0;
  std::string how;  // for the reason
};

// For `arrivals_per_s` at `model`'s CPU limit and objective.
Staffing staff(const ModelView& model, double cost_cpu_s, double arrivals_per_s,
               const StaffingOptions& options);

}  // namespace spate::scaling
