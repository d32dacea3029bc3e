// SPDX-License-Identifier: Apache-2.0
#include "spate/base/virtual_clock.h"

#include <algorithm>

namespace spate {

WallTime VirtualClock::wall_now() const {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(now_.time_since_epoch()));
}

TimerId VirtualClock::call_at(TimePoint when, Task task) {
  const std::uint64_t sequence = next_sequence_++;
  const TimePoint due = std::max(when, now_);
  pending_.emplace(Key{due, sequence}, std::move(task));
  due_.emplace(sequence, due);
  return TimerId{sequence};
}

bool VirtualClock::cancel(TimerId id) {
  const auto entry = due_.find(static_cast<std::uint64_t>(id));
  if (entry == due_.end()) return false;
  pending_.erase(Key{entry->second, entry->first});
  due_.erase(entry);
  return true;
}

std::uint64_t VirtualClock::run_until(TimePoint until) {
  std::uint64_t ran = 0;
  while (!pending_.empty() && pending_.begin()->first.first <= until) {
    auto next = pending_.extract(pending_.begin());
    now_ = next.key().first;
    due_.erase(next.key().second);
    next.mapped()();
    ++ran;
  }
  now_ = std::max(now_, until);
  return ran;
}

}  // namespace spate
