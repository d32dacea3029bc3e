// SPDX-License-Identifier: Apache-2.0
//
// ServiceEstimate: how long a route's requests take and how many it can serve, learned from the
// answers. Route refuses by it what cannot be answered in time.
//
//   cost     CPU-seconds per request: the time between two answers of one busy worker, times its
//            CPU limit, over the requests answered. Whatever a worker's concurrency and
//            pipelining are, its throughput is limit / cost, and a new limit or a new worker
//            counts at once, before it was measured.
//   latency  from dispatch to answer, scaled by min(limit, 1): one request uses one thread, so
//            that it gets slower below one CPU but not faster above.
//
// Both are exponentially weighted means (a plain mean of the first 8), the
// latency with its mean deviation (1/4), as TCP estimates round trips.
//
// Threads: one at a time. Plain data.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "spate/base/clock.h"

namespace spate::gateway {

class ServiceEstimate {
 public:
  // A batch of `items` was answered `latency` after it was sent and `busy` after that or after
  // the worker's previous answer, whichever was later. `cpus` is the worker's limit.
  void observe(Duration latency, Duration busy, std::uint32_t items, double cpus) {
    if (answers_ < 8) gain_ = 1.0 / static_cast<double>(++answers_);
    const double gain = gain_;
    double cost = ns(busy) * cpus;
    if (items > 1) cost /= static_cast<double>(items);  // a division is dear
    cost_ns_ += gain * (cost - cost_ns_);
    const double scaled = ns(latency) * std::min(cpus, 1.0);
    if (latency_ns_ == 0.0) {
      latency_ns_ = scaled;
      deviation_ns_ = scaled / 4;
      return;
    }
    deviation_ns_ += 0.25 * (std::abs(scaled - latency_ns_) - deviation_ns_);
    latency_ns_ += gain * (scaled - latency_ns_);
  }

  bool known() const { return answers_ > 0; }

  // Until one more of a queue of requests is served, by workers of `cpus` in all.
  double per_request_ns(double cpus) const { return cost_ns_ / cpus; }
  // Dispatch to answer at a worker of `cpus`: the mean, and the mean plus its deviation.
  double latency_ns(double cpus) const { return latency_ns_ / std::min(cpus, 1.0); }
  double safe_latency_ns(double cpus) const {
    return (latency_ns_ + deviation_ns_) / std::min(cpus, 1.0);
  }

 private:
  static double ns(Duration d) { return static_cast<double>(d.count()); }

  double cost_ns_ = 0.0;
  double latency_ns_ = 0.0;
  double deviation_ns_ = 0.0;
  double gain_ = 1.0;  // 1 / answers_
  std::uint32_t answers_ = 0;
};

}  // namespace spate::gateway
