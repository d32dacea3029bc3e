// SPDX-License-Identifier: Apache-2.0
//
// Verdict: whether a run's figures may be used. It judges the load, never the system under load:
// wrong, late or lost answers are results, a load that was not delivered as planned is not.
//
// A run is valid when
//   1. it was not stopped early;
//   2. the generator's lag, over all requests of the window, has p99 <= max(10 ms, 1 % of the
//      tightest SLO latency);
//   3. nothing was shed by the generator;
//   4. in each 10 s of the plan, for each model, as many requests left as were planned, to 1 %
//      (and one request, because one may cross the border);
//   5. each model has at least `min_samples` requests in the window.
// The broker's back-pressure is in the latency and is no reason.
#pragma once

#include <string>
#include <vector>

#include "spate/influx/verifier.h"

namespace spate::influx {

struct VerdictRules {
  Duration lag_floor = std::chrono::milliseconds(10);
  double lag_slo_ratio = 0.01;      // of the tightest SLO latency
  double offered_tolerance = 0.01;  // of the planned count of 10 s
  std::uint64_t min_samples = 20;   // planned requests per model

  Duration lag_limit(Duration tightest_slo) const;
};

struct Verdict {
  bool valid = true;
  std::vector<std::string> reasons;   // why not, for people; empty when valid
  std::vector<std::string> warnings;  // what a reader should know beside it
};

struct VerdictInput {
  std::vector<const ModelReport*> models;
  Duration tightest_slo{0};
  bool stopped_early = false;
  double stopped_at_s = 0.0;
};

Verdict judge(const VerdictInput& input, const VerdictRules& rules);

// The 95 % Wilson score interval of a share of `good` in `all`; [0, 1] when all = 0.
struct Interval {
  double low = 0.0;
  double high = 1.0;
};
Interval wilson(std::uint64_t good, std::uint64_t all);

}  // namespace spate::influx
