// SPDX-License-Identifier: Apache-2.0
#include "spate/base/real_clock.h"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_map>

namespace spate {

TimePoint monotonic_now() {
  return TimePoint(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

WallTime wall_clock_now() {
  return std::chrono::time_point_cast<WallTime::duration>(std::chrono::system_clock::now());
}

void sleep_until(TimePoint when) {
  std::this_thread::sleep_until(std::chrono::steady_clock::time_point(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(when.time_since_epoch())));
}

namespace {
Duration read_clock(clockid_t id) {
  timespec t{};
  if (clock_gettime(id, &t) != 0) return Duration{0};
  return std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec);
}
}  // namespace

Duration process_cpu_time() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }
Duration thread_cpu_time() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

std::optional<Duration> cpu_time_of_process(std::int64_t pid) {
  clockid_t id{};
  timespec t{};
  if (clock_getcpuclockid(static_cast<pid_t>(pid), &id) != 0) return std::nullopt;
  if (clock_gettime(id, &t) != 0) return std::nullopt;
  return std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec);
}

Duration process_age() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  // Field 22 is the start in clock ticks since boot; field 2, the name, may hold spaces.
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return Duration{0};
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  std::int64_t ticks = 0;
  if (!(fields >> ticks)) return Duration{0};
  const Duration started = ticks * (Duration(std::chrono::seconds(1)) / sysconf(_SC_CLK_TCK));
  return std::max(Duration{0}, read_clock(CLOCK_BOOTTIME) - started);
}

struct RealClock::State : std::enable_shared_from_this<RealClock::State> {
  explicit State(boost::asio::io_context& l) : loop(l), timer(l) {}

  using Key = std::pair<TimePoint, std::uint64_t>;

  boost::asio::io_context& loop;
  boost::asio::steady_timer timer;  // touched on the loop only

  std::mutex mutex;
  // State below is protected by mutex.
  std::uint64_t next_sequence = 0;
  std::map<Key, Task> pending;
  std::unordered_map<std::uint64_t, TimePoint> due;
  std::optional<TimePoint> armed_for;
  bool closed = false;

  // Arms the timer for the earliest task. On the loop.
  void arm() {
    TimePoint when;
    {
      const std::lock_guard lock(mutex);
      if (closed || pending.empty()) {
        armed_for.reset();
        timer.cancel();  // a loop with nothing else to do must be able to end
        return;
      }
      when = pending.begin()->first.first;
      if (armed_for && *armed_for <= when) return;
      armed_for = when;
    }
    timer.expires_at(std::chrono::steady_clock::time_point(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(when.time_since_epoch())));
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error) return;  // re-armed or closed
      self->run_due();
    });
  }

  void run_due() {
    const TimePoint now = monotonic_now();
    std::uint64_t limit;
    {
      const std::lock_guard lock(mutex);
      armed_for.reset();
      limit = next_sequence;  // tasks scheduled by these tasks wait for the next round
    }
    for (;;) {
      Task task;
      {
        const std::lock_guard lock(mutex);
        if (closed || pending.empty()) break;
        auto first = pending.begin();
        if (first->first.first > now || first->first.second >= limit) break;
        task = std::move(first->second);
        due.erase(first->first.second);
        pending.erase(first);
      }
      task();
    }
    arm();
  }
};

RealClock::RealClock(boost::asio::io_context& loop) : state_(std::make_shared<State>(loop)) {}

RealClock::~RealClock() {
  std::map<State::Key, Task> dropped;  // destroyed unlocked: a task's captures may call back
  {
    const std::lock_guard lock(state_->mutex);
    state_->closed = true;
    dropped.swap(state_->pending);
    state_->due.clear();
  }
  boost::asio::post(state_->loop, [state = state_] { state->arm(); });
}

TimePoint RealClock::now() const { return monotonic_now(); }
WallTime RealClock::wall_now() const { return wall_clock_now(); }

TimerId RealClock::call_at(TimePoint when, Task task) {
  std::uint64_t sequence = 0;
  bool earliest = false;
  {
    const std::lock_guard lock(state_->mutex);
    sequence = state_->next_sequence++;
    const auto at = state_->pending.emplace(State::Key{when, sequence}, std::move(task)).first;
    state_->due.emplace(sequence, when);
    earliest = at == state_->pending.begin();
  }
  if (earliest) boost::asio::post(state_->loop, [state = state_] { state->arm(); });
  return TimerId{sequence};
}

bool RealClock::cancel(TimerId id) {
  std::map<State::Key, Task>::node_type dropped;  // destroyed unlocked, as above
  const std::lock_guard lock(state_->mutex);
  const auto entry = state_->due.find(static_cast<std::uint64_t>(id));
  if (entry == state_->due.end()) return false;
  dropped = state_->pending.extract(State::Key{entry->second, entry->first});
  state_->due.erase(entry);
  if (state_->pending.empty()) {
    boost::asio::post(state_->loop, [state = state_] { state->arm(); });
  }
  return true;
}

}  // namespace spate
