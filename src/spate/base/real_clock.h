// SPDX-License-Identifier: Apache-2.0
//
// RealClock: CLOCK_MONOTONIC and UTC, its tasks run on a Boost.Asio loop. The only file in
// Spate that reads a real clock or sleeps (scripts/lint_rules.py checks).
//
// Threads: every member may be called from any thread. Tasks run on the thread that runs
// the io_context, of which there must be one.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <optional>

#include "spate/base/clock.h"

namespace spate {

class RealClock final : public Clock {
 public:
  // Borrows `loop`, which must outlive this clock.
  explicit RealClock(boost::asio::io_context& loop);
  ~RealClock() override;
  RealClock(const RealClock&) = delete;
  RealClock& operator=(const RealClock&) = delete;

  TimePoint now() const override;
  WallTime wall_now() const override;
  TimerId call_at(TimePoint when, Task task) override;
  bool cancel(TimerId id) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// For code outside any loop (worker compute threads, start-up of a command, benchmarks).
TimePoint monotonic_now();
WallTime wall_clock_now();
// CPU time (user and system) that this process, or the calling thread, has used.
Duration process_cpu_time();
// The same of any process, by its pid (CPU clocks need no rights); nothing when it is gone.
std::optional<Duration> cpu_time_of_process(std::int64_t pid);
Duration thread_cpu_time();
// How long ago this process was forked, to 10 ms; 0 when /proc cannot be read.
Duration process_age();
// Blocks the calling thread. Never on a loop's thread, never in a test.
void sleep_until(TimePoint when);

}  // namespace spate
