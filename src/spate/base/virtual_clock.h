// SPDX-License-Identifier: Apache-2.0
//
// VirtualClock: time that moves only when told to. One thread schedules, cancels
// and runs everything. For tests and control code; the simulator's hot path has an
// event queue of its own.
//
// A task that reschedules itself with no delay never lets run_until() finish.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "spate/base/clock.h"

namespace spate {

class VirtualClock final : public Clock {
 public:
  TimePoint now() const override { return now_; }
  WallTime wall_now() const override;
  TimerId call_at(TimePoint when, Task task) override;
  bool cancel(TimerId id) override;

  // Runs every task due at or before `until`, earliest first, then leaves now()
  // at `until`. Returns how many tasks ran. Requires until >= now().
  std::uint64_t run_until(TimePoint until);
  std::uint64_t run_for(Duration span) { return run_until(now_ + span); }

 private:
  using Key = std::pair<TimePoint, std::uint64_t>;  // due time, then order of arrival

  // Starts away from zero, so code that subtracts from now() is not spared.
  TimePoint now_{std::chrono::hours(1)};
  std::uint64_t next_sequence_ = 0;
  std::map<Key, Task> pending_;
  std::unordered_map<std::uint64_t, TimePoint> due_;  // sequence -> due time, for cancel()
};

}  // namespace spate
