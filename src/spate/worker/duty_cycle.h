// SPDX-License-Identifier: Apache-2.0
//
// DutyCycle: keeps a worker to its CPU limit where no cgroup can (design 3.5): a token bucket
// that says when the next prediction may start. WorkerCore asks it before each one.
//
//   The bucket holds CPU time. It fills at `limit` CPU-seconds a second up to `limit` x `period`,
//   and what the process used is taken out, below zero if need be: the CPU time of a call is
//   known only afterwards. A call may start when the bucket is not below zero.
//
// Example: a call of 45 ms of CPU at a limit of 0.3 is followed by a pause of 105 ms, so that
// 45 ms were used in 150 ms.
//
// Accuracy. The use of the whole process is counted (runtime's threads and input/output too), so
// a saturated worker's average is its limit: over any span of W seconds the use is at most
// limit x (W + period) plus one call's CPU time for each concurrent call, the last ones being
// unpaid yet. Within a call nothing is limited: it runs at full speed, then the pause follows;
// a cgroup would stretch the call instead. So latencies of single calls look better than under
// a cgroup of the same limit, and those that wait behind a pause the same on average. A raised
// limit ends a pause at once, a lowered one acts after the call under way.
//
// Threads: one at a time. Plain arithmetic: time and CPU time are handed in.
#pragma once

#include "spate/base/clock.h"

namespace spate::worker {

class DutyCycle {
 public:
  // `period`: the burst that an idle worker may save up, as CFS's 100 ms.
  explicit DutyCycle(Duration period = std::chrono::milliseconds(100)) : period_(period) {}

  // CPUs, > 0; 0 lifts the limit. A debt stays a debt: it is paid at the new rate.
  void set_limit(double cpus, TimePoint now);
  double limit() const { return limit_; }

  // The CPU time the process has used since it started, as read at `now`. The first reading
  // under a limit only sets the baseline.
  void on_cpu_time(Duration total, TimePoint now);
  // Forgets the baseline, debt and savings: what was used until now is not charged.
  void restart(TimePoint now);

  // When the next call may start: `now` or later.
  TimePoint ready_at(TimePoint now);

 private:
  void refill(TimePoint now);
  double burst_ns() const { return limit_ * static_cast<double>(period_.count()); }

  Duration period_;
  double limit_ = 0.0;
  double tokens_ns_ = 0.0;
  TimePoint filled_at_{};
  Duration charged_{-1};  // total CPU time that has been taken out; -1: no baseline yet
};

}  // namespace spate::worker
