// SPDX-License-Identifier: Apache-2.0
//
// Fleet's warm pool: replicas that are loaded and then parked, and how they come and go.
#include <algorithm>
#include <cmath>

#include "spate/scaling/fleet.h"

namespace spate::scaling {
namespace {

constexpr double kCpuSlack = 1e-9;
// A replica taken from the pool for which no request comes holds up the refill no longer than this.
constexpr Duration kFirstAnswerWait = std::chrono::seconds(1);

}  // namespace

// Enough shall serve: who is on the way into the pool first (it still runs), then the one parked
// last (its memory is the least likely to have been written out). Those that have lost their
// connection wake as well, to dial in again.
void Fleet::take_from_pool(TimePoint now, std::vector<Action>& actions) {
  for (auto& replica : replicas_) {
    if (replica.state == Phase::Parked && !replica.connected) unpark(now, replica, actions);
  }
  while (serving() < wanted_) {
    Replica* best = nullptr;
    for (auto& replica : replicas_) {
      if (replica.state != Phase::Parking && replica.state != Phase::Parked) continue;
      const bool runs = replica.state == Phase::Parking;
      const bool best_runs = best != nullptr && best->state == Phase::Parking;
      if (best == nullptr || (runs && !best_runs) ||
          (runs == best_runs && replica.state_since >= best->state_since)) {
        best = &replica;
      }
    }
    if (best == nullptr) return;
    unpark(now, *best, actions);
  }
}

void Fleet::unpark(TimePoint now, Replica& replica, std::vector<Action>& actions) {
  actions.push_back(
      {.kind = Action::Kind::Unpark, .model = settings_.name, .replica_id = replica.id});
  move(replica, Phase::Unparking, now);
  replica.deadline = now + options_.unpark_timeout;
  replica.wanted_at = now;
  replica.from_pool = replica.connected;
  if (replica.connected) replica.answered = false;
}

// What serves beyond what is wanted goes to the pool while that is short: the one with the fewest
// requests in flight, the newest of equals. Its limit is in force by then, so that nothing is
// left to do when it is needed again.
void Fleet::fill_pool(TimePoint now, std::vector<Action>& actions) {
  while (count(Phase::Ready) > wanted_ && pooled() < pool_) {
    Replica* best = nullptr;
    for (auto& replica : replicas_) {
      if (replica.state != Phase::Ready) continue;
      if (best == nullptr || replica.in_flight <= best->in_flight) best = &replica;
    }
    if (best == nullptr || !has_limit(*best)) return;
    if (std::abs(best->limit_in_force - cpu_limit_) > kCpuSlack) return;
    actions.push_back(
        {.kind = Action::Kind::Park, .model = settings_.name, .replica_id = best->id});
    best->was_stable = now - best->state_since >= options_.stable_after;
    move(*best, Phase::Parking, now);
    best->deadline = now + options_.drain_grace;
  }
}

TimePoint Fleet::refill_at() const {
  TimePoint at{};
  for (const auto& replica : replicas_) {
    const bool came = replica.state == Phase::Ready || replica.state == Phase::Unparking;
    if (came && replica.from_pool && !replica.answered) {
      at = std::max(at, replica.wanted_at + kFirstAnswerWait);
    }
  }
  return at;
}

void Fleet::parked(TimePoint at, Replica& replica) {
  // Being woken already: Unparked follows.
  if (replica.state == Phase::Draining || replica.state == Phase::Parked ||
      replica.state == Phase::Unparking) {
    return;
  }
  note(at, "parked", replica, at - replica.state_since);
  move(replica, Phase::Parked, at);
  replica.deadline = TimePoint::max();
  replica.in_flight = 0;
  forgotten_.push_back(replica.id);  // what was measured of it says nothing any more
}

void Fleet::unparked(TimePoint at, Replica& replica) {
  if (replica.state != Phase::Unparking && replica.state != Phase::Parked &&
      replica.state != Phase::Parking) {
    return;
  }
  const bool asked = replica.state == Phase::Unparking && replica.from_pool;
  note(at, "unparked", replica, asked ? std::optional(at - replica.wanted_at) : std::nullopt);
  if (replica.connected) {
    move(replica, Phase::Ready, at);
    return;
  }
  move(replica, Phase::Starting, at);
  replica.deadline = at + options_.reconnect_timeout;
}

void Fleet::park_failed(TimePoint at, Replica& replica, const std::string& why) {
  if (replica.state == Phase::Draining) return;
  const char* what =
      replica.state == Phase::Unparking ? "it cannot be woken: " : "it cannot be parked: ";
  failed(at, replica, "failed", what + why);
  stop_soon_.push_back(replica.id);
}

}  // namespace spate::scaling
