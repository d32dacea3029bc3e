// SPDX-License-Identifier: Apache-2.0
//
// Clock: the only source of time in Spate.
//
// RealClock serves live runs; VirtualClock serves the simulator and unit tests.
// Code that takes a Clock& must behave the same on both.
//
// Tasks run one at a time on the clock's loop and never inside the call that
// scheduled them, so state that only tasks touch needs no lock.
//
// Threads: any thread may call RealClock. VirtualClock, and everything driven by
// it, stays on one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <utility>

namespace spate {

using Duration = std::chrono::nanoseconds;

// A tag that gives Spate's time points a type of their own: comparing one with a
// std::chrono::steady_clock time point does not compile.
struct Timeline {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  static constexpr bool is_steady = true;
};
using TimePoint = std::chrono::time_point<Timeline>;
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

// Conversions at the borders, where a bare number's name carries its unit.
constexpr double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
constexpr double to_ms(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }
constexpr Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}
constexpr Duration from_ms(double ms) { return from_seconds(ms / 1000.0); }
// Seconds since the Unix epoch, for records that several processes write.
constexpr double to_unix_s(WallTime t) {
  return std::chrono::duration<double>(t.time_since_epoch()).count();
}

enum class TimerId : std::uint64_t {};

class Clock {
 public:
  using Task = std::function<void()>;

  virtual ~Clock() = default;

  // Time since an arbitrary start; never goes back. Use it for every interval. On RealClock
  // it is CLOCK_MONOTONIC, so processes of one machine may compare their readings.
  virtual TimePoint now() const = 0;

  // UTC calendar time: log lines, report headers, records that several processes write.
  // Never subtract to measure an interval.
  virtual WallTime wall_now() const = 0;

  // Runs `task` once at `when`, or as soon as possible if `when` has passed.
  // Tasks due at the same instant run in the order they were scheduled.
  virtual TimerId call_at(TimePoint when, Task task) = 0;

  // True if the task was removed before it started; false if it ran or is running.
  virtual bool cancel(TimerId id) = 0;

  TimerId call_after(Duration delay, Task task) { return call_at(now() + delay, std::move(task)); }
  TimerId post(Task task) { return call_at(now(), std::move(task)); }
};

}  // namespace spate
