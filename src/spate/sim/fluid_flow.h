// SPDX-License-Identifier: Apache-2.0
//
// FluidFlow: the approximate mode's gateway and workers of one model: requests come and go in
// numbers per time step instead of one by one, so that the cost does not depend on the rate.
//
//   arrivals   what is expected in the step (fluid_demand.h), rounded so that the sum stays exact
//   queue      first in, first out, as one number for each step of arrival
//   service    the replicas' CPUs over the CPU time of a request in a batch, at most; a batch is
//              as large as the rate needs
//   waiting    behind a queue: the time in it. Without one, what chance adds: a wait with
//              probability rho^(sqrt(2(c+1)) - 1), exponential with mean S (Ca^2 + Cs^2) / (2 c (1
//              - rho)) (Sakasegawa 1977, Allen and Cunneen), c calls at once, S the mean call
//   a call     its CPU time's quantiles, run from a few moments of a CFS period of which a share
//              rho is used (CpuGroup)
//   refusals   as the route's: the queue's bound, the estimate (early_overload), the deadline
//
// No random numbers of its own: numbers of requests are rounded with an offset that walks by the
// golden ratio, so that many small numbers have the right sum.
//
// ModelWorld drives it in place of its Route. Threads: one at a time. Memory: a number for each
// step that a request may wait.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "spate/base/histogram.h"
#include "spate/sim/recorder.h"
#include "spate/sim/world_config.h"

namespace spate::sim {

// The replicas that serve, in a step.
struct FluidCapacity {
  int replicas = 0;
  double cpus = 0.0;     // they may use together
  double limit = 0.0;    // of one of them, CPUs; 0: none
  double calls = 0.0;    // at once, over all
  double threads = 1.0;  // of a call
  double speed = 1.0;    // of a CPU: slow machine, contention
};

struct FluidStep {
  double cpu_ns = 0.0;        // used by all replicas
  double in_flight = 0.0;     // mean
  double busy_ratio = 0.0;    // of the CPUs that they may use
  double throttled = 0.0;     // share of the CFS periods
  double busy_periods = 0.0;  // share of the CFS periods in which anything ran
};

class FluidFlow {
 public:
  // Borrows all three. `step` is above 0.
  FluidFlow(const SimModel& model, const WorldConfig& config, Duration step, Recorder& recorder);

  // The step that ends at `now`: `expected` requests of second `second` of the window (or
  // Recorder::kWarmUp) come at `rate_per_s`. Gateway latencies are added to `latency`, if given.
  FluidStep advance(std::int64_t now, std::uint32_t second, double expected, double rate_per_s,
                    const FluidCapacity& capacity, Histogram* latency);
  bool idle() const { return queued_ == 0; }

  std::uint64_t made() const { return made_; }
  std::uint64_t answered() const { return answered_; }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t batches() const { return static_cast<std::uint64_t>(batches_); }
  std::uint64_t queued() const { return queued_; }
  double service_sum_s() const { return service_sum_ns_ * 1e-9; }
  Duration oldest_age(std::int64_t now) const;

 private:
  struct Cohort {
    std::int64_t at = 0;  // the end of the step in which it came
    std::uint32_t second = 0;
    std::uint64_t count = 0;
  };
  struct Outcomes {  // what becomes of a request that has not waited in a queue
    double chance = 0.0;
    double wait_ns = 0.0;
    double call_ns = 0.0;
  };

  double work_ns(int batch) const { return work_ns_[static_cast<std::size_t>(batch)]; }
  int batch_for(double rate_per_s, const FluidCapacity& capacity) const;
  void spread_calls(int batch, const FluidCapacity& capacity, double rho);
  void spread_waits(double rho, double calls);
  std::uint64_t whole(double expected);
  void admit(std::int64_t now, std::uint32_t second, std::uint64_t count, double per_s);
  void end(const Cohort& cohort, Outcome outcome, std::uint64_t count);
  void answer(const Cohort& cohort, std::uint64_t count, double waited_ns, Histogram* latency);
  void expire(std::int64_t now);

  const SimModel& model_;
  Recorder& recorder_;
  const double step_s_;
  const double period_ns_;
  const double deadline_ns_;  // infinity: none
  const double margin_ns_;
  const double to_gateway_ns_;
  const double from_gateway_ns_;
  double arrival_cv2_ = 1.0;
  double service_cv2_ = 0.0;

  std::vector<double> work_ns_;      // CPU time of a call, by size of the batch
  std::vector<double> work_points_;  // quantiles of a call's CPU time over its mean
  std::vector<double> call_ns_;      // of the step: how long calls last, equally likely
  double call_mean_ns_ = 0.0;
  double call_safe_ns_ = 0.0;  // the mean and its mean deviation, as the route estimates
  std::vector<Outcomes> outcomes_;
  int spread_batch_ = 0;  // what call_ns_ was made for
  double spread_limit_ = -1.0;
  double spread_rho_ = -1.0;
  double spread_speed_ = 0.0;

  std::deque<Cohort> queue_;
  std::uint64_t queued_ = 0;
  double credit_ = 0.0;    // requests that may be started
  double fraction_ = 0.0;  // of a request that has come
  double offset_ = 0.5;    // of the rounding
  std::uint64_t made_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t refused_ = 0;
  double batches_ = 0.0;
  double service_sum_ns_ = 0.0;
};

}  // namespace spate::sim
