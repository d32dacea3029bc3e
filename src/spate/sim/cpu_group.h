// SPDX-License-Identifier: Apache-2.0
//
// CpuGroup: the CPU time that a control group's threads get under a CFS bandwidth quota, in closed
// form. The kernel's rule (Documentation/scheduler/sched-bwc): in each period of length P the
// group may use quota = limit x P of CPU time; once it has, all its threads stand until the next
// period begins. Nothing is carried over.
//
// So a call of 45 ms of CPU time at 0.3 CPU (30 ms of each 100 ms) takes 115 ms: 30 ms, a pause
// of 70 ms, 15 ms. And a call of 13.6 ms at 0.5 CPU takes either 13.6 ms or, when it begins as the
// quota runs out, 50 ms more: the two modes that are measured.
//
// The clock of the group is v, the CPU time that each of its running threads has had; a call of
// w nanoseconds ends when v has grown by w. All times are nanoseconds of simulated time.
//
// Threads: one at a time. Plain arithmetic, no allocation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace spate::sim {

class CpuGroup {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  CpuGroup() = default;  // a period of 100 ms
  explicit CpuGroup(std::int64_t period_ns) : period_(period_ns) {}

  // CPUs; 0 lifts the limit. A new limit refills the quota and starts the periods at `now`, as
  // the kernel does. Requires advance(now) before.
  void set_limit(double cpus, std::int64_t now) {
    quota_ = cpus * static_cast<double>(period_);
    used_ = 0.0;
    period_start_ = now;
    counted_ = throttle_counted_ = false;
  }
  double limit() const { return quota_ / static_cast<double>(period_); }

  // From `now` on `threads` threads want to run, each at `speed` of a CPU (below 1 when the
  // machine has fewer CPUs than threads). Requires advance(now) before.
  void set_demand(double threads, double speed = 1.0) {
    threads_ = threads;
    rate_ = threads * speed;
  }

  // What was used until `now`. Earlier times are ignored.
  void advance(std::int64_t now) {
    if (now <= at_) return;
    if (rate_ > 0.0) {
      if (quota_ <= 0.0) {
        consume(rate_ * static_cast<double>(now - at_));
      } else if (now < period_start_ + period_) {
        step(now);
      } else {
        advance_limited(now);
      }
      at_ = now;
      return;
    }
    at_ = now;
    // Periods that go by while nothing runs.
    if (quota_ > 0.0 && now >= period_start_ + period_) roll(start_now());
  }

  double v() const { return v_; }                     // ns of CPU time per running thread
  double cpu_ns() const { return cpu_; }              // used in all
  std::uint64_t periods() const { return periods_; }  // in which it wanted to run under a quota
  std::uint64_t throttled_periods() const { return throttled_; }

  // When v reaches `target` if the demand stays; now when it has. kNever without demand.
  std::int64_t when(double target) const;
  // The next moment at which it stops or goes on because of its quota; kNever if it never does.
  std::int64_t next_switch() const;
  // Stands because of its quota, as of the last advance().
  bool throttled() const { return quota_ > 0.0 && rate_ > 0.0 && room_now() <= kDust; }

 private:
  static constexpr double kDust = 1e-3;  // a thousandth of a nanosecond: what rounding leaves

  void consume(double cpu) {
    cpu_ += cpu;
    v_ += threads_ == 1.0 ? cpu : cpu / threads_;  // a division is dear
  }
  // Within one period, from at_ until `until`, which is later.
  void step(std::int64_t until) {
    const double wanted = rate_ * static_cast<double>(until - at_);
    const double got = std::min(wanted, std::max(0.0, quota_ - used_));
    used_ += got;
    if (!counted_) {
      counted_ = true;
      ++periods_;
    }
    if (wanted > got + kDust && !throttle_counted_) {
      throttle_counted_ = true;
      ++throttled_;
    }
    consume(got);
    at_ = until;
  }
  void advance_limited(std::int64_t now);
  // A new period begins at `to`.
  void roll(std::int64_t to) {
    period_start_ = to;
    used_ = 0.0;
    counted_ = throttle_counted_ = false;
  }
  double room_now() const { return at_ >= period_start_ + period_ ? quota_ : quota_ - used_; }
  // The start of the period that `at_` lies in.
  std::int64_t start_now() const {
    if (at_ < period_start_ + period_) return period_start_;
    if (at_ < period_start_ + 2 * period_) return period_start_ + period_;  // a division is dear
    return period_start_ + (at_ - period_start_) / period_ * period_;
  }

  std::int64_t period_ = 100'000'000;
  std::int64_t period_start_ = 0;  // of the period that used_ speaks of
  std::int64_t at_ = 0;
  double quota_ = 0.0;  // ns of CPU time per period; 0: no limit
  double used_ = 0.0;
  double threads_ = 0.0;
  double rate_ = 0.0;  // CPUs wanted
  double v_ = 0.0;
  double cpu_ = 0.0;
  std::uint64_t periods_ = 0;
  std::uint64_t throttled_ = 0;
  bool counted_ = false;           // this period, in periods_
  bool throttle_counted_ = false;  // this period, in throttled_
};

}  // namespace spate::sim
