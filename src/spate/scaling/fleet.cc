// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace spate::scaling {
namespace {

constexpr std::size_t kStartUpsKept = 16;
// A replica without work of its own needs no time to drain.
constexpr Duration kIdleGrace = std::chrono::seconds(1);
// How long an engine may take until a new replica shows in its list.
constexpr Duration kMissingGrace = std::chrono::seconds(5);
constexpr double kCpuSlack = 1e-9;

// The n of "<model>-<n>"; 0 when the id is not of that form.
int number_of(std::string_view id, std::string_view model) {
  if (id.size() <= model.size() + 1 || !id.starts_with(model) || id[model.size()] != '-') return 0;
  const std::string_view digits = id.substr(model.size() + 1);
  int n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  return error == std::errc{} && end == digits.data() + digits.size() ? n : 0;
}

}  // namespace

Fleet::Fleet(ModelSettings settings, const AutoscalerOptions& options)
    : settings_(std::move(settings)),
      options_(options),
      wanted_(settings_.replicas),
      cpu_limit_(settings_.cpu_limit),
      pool_(settings_.warm_pool) {}

void Fleet::want(TimePoint at, int replicas, double cpu_limit, int warm_pool) {
  if (shutting_down_) return;
  const bool limit_changed = std::abs(cpu_limit - cpu_limit_) > kCpuSlack;
  if (replicas == wanted_ && !limit_changed && warm_pool == pool_) return;
  ++generation_;
  if (replicas != wanted_ || warm_pool != pool_) wanted_since_ = at;
  if (limit_changed) limit_since_ = at;
  wanted_ = replicas;
  cpu_limit_ = cpu_limit;
  pool_ = warm_pool;
}

void Fleet::restore(int replicas, double cpu_limit, int warm_pool, int next_number,
                    std::uint64_t generation) {
  wanted_ = replicas;
  cpu_limit_ = cpu_limit;
  pool_ = warm_pool;
  next_number_ = std::max(next_number_, next_number);
  generation_ = generation;
}

void Fleet::shut_down(TimePoint at) {
  want(at, 0, cpu_limit_, 0);
  shutting_down_ = true;
}

// Replicas are mostly asked for one after another, so the search goes on where the last one ended:
// readings of ten thousand replicas take ten thousand steps, not their square.
std::size_t Fleet::index_of(std::string_view id) const {
  for (std::size_t steps = 0; steps < replicas_.size(); ++steps) {
    if (last_found_ >= replicas_.size()) last_found_ = 0;
    if (replicas_[last_found_].id == id) return last_found_++;
    ++last_found_;
  }
  return replicas_.size();
}

Fleet::Replica* Fleet::find(std::string_view id) {
  const std::size_t index = index_of(id);
  return index == replicas_.size() ? nullptr : &replicas_[index];
}

bool Fleet::has(std::string_view replica) const { return index_of(replica) < replicas_.size(); }

void Fleet::set_in_flight(std::string_view replica, int in_flight) {
  if (Replica* r = find(replica)) r->in_flight = in_flight;
}

Fleet::Replica& Fleet::adopt(TimePoint at, std::string_view id, std::string_view how) {
  Replica replica;
  replica.id = std::string(id);
  replica.created = at;
  replica.wanted_at = at;
  replica.state_since = at;
  replica.deadline = at + options_.start_timeout;
  replica.adopted = true;
  next_number_ = std::max(next_number_, number_of(id, settings_.name) + 1);
  replicas_.push_back(std::move(replica));
  note(at, "adopted", replicas_.back(), std::nullopt, std::string(how));
  return replicas_.back();
}

void Fleet::move(Replica& replica, Phase state, TimePoint at) {
  replica.state = state;
  replica.state_since = at;
}

void Fleet::remove(std::string_view id) {
  forgotten_.emplace_back(id);
  std::erase_if(replicas_, [&](const Replica& r) { return r.id == id; });
}

void Fleet::failed(TimePoint at, const Replica& replica, const char* event, std::string why) {
  const bool works = replica.state == Phase::Ready || replica.state == Phase::Parked;
  const bool stable_now = works && at - replica.state_since >= options_.stable_after;
  if (replica.was_stable || stable_now) strikes_ = 0;
  Duration delay{0};
  if (strikes_ > 0) {
    delay = options_.backoff_first;
    for (int i = 1; i < strikes_ && delay < options_.backoff_max; ++i) delay *= 2;
    delay = std::min(delay, options_.backoff_max);
  }
  ++strikes_;
  start_allowed_at_ = at + delay;
  last_failure_at_ = at;
  ++failures_;
  note(at, event, replica, std::nullopt, why);
  last_failure_ = replica.id + ": " + std::move(why);
}

void Fleet::note(TimePoint at, const char* event, const Replica& replica,
                 std::optional<Duration> after, std::string detail) {
  events_.push_back({.at = at,
                     .event = event,
                     .model = settings_.name,
                     .replica = replica.id,
                     .after = after,
                     .cpu_limit = {},
                     .detail = std::move(detail)});
}

void Fleet::registered(TimePoint at, std::string_view id) {
  Replica* replica = find(id);
  if (replica == nullptr) {
    adopt(at, id, "it dialled in");
  } else if (replica->state == Phase::Starting && replica->was_ready) {
    // Back after a lost connection: it loads nothing anew, readiness follows at once.
    replica->deadline = at + options_.reconnect_timeout;
  }
}

void Fleet::ready(TimePoint at, std::string_view id) {
  Replica* found = find(id);
  Replica& replica = found != nullptr ? *found : adopt(at, id, "it dialled in");
  replica.connected = true;
  // Parked, and yet it speaks: somebody else woke it. It serves until it is parked again.
  const bool comes_to_serve = replica.state == Phase::Starting || replica.state == Phase::Parked;
  if (!comes_to_serve && replica.state != Phase::Unparking) return;
  // The gateway, or the worker, may be a new one: it is told the limit (again).
  replica.limit_asked.reset();
  replica.limit_by_decision = false;
  replica.limit_retry_at = at;
  if (!comes_to_serve) return;  // Unparked follows
  move(replica, Phase::Ready, at);
  if (!std::exchange(replica.was_ready, true) && !replica.adopted) {
    const Duration took = at - replica.created;
    start_ups_.push_back(took);
    if (start_ups_.size() > kStartUpsKept) start_ups_.pop_front();
    note(at, "ready", replica, took);
  } else {
    note(at, "ready", replica);
  }
}

void Fleet::first_answer(TimePoint at, std::string_view id) {
  Replica* replica = find(id);
  if (replica == nullptr || std::exchange(replica->answered, true)) return;
  // An adopted one answered an earlier gateway first.
  if (replica->adopted && !replica->from_pool) return;
  note(at, "first_answer", *replica, at - replica->wanted_at,
       replica->from_pool ? "from the warm pool" : "");
}

void Fleet::draining(TimePoint at, std::string_view id) {
  Replica* replica = find(id);
  if (replica == nullptr || replica->state == Phase::Draining) return;
  move(*replica, Phase::Draining, at);
  replica->deadline = at + options_.drain_grace;
  note(at, "draining", *replica, std::nullopt, "of its own accord");
}

void Fleet::connection_lost(TimePoint at, std::string_view id) {
  Replica* replica = find(id);
  if (replica == nullptr) return;
  replica->connected = false;
  // A parked one is woken to dial in again; one that is being woken will find out by itself.
  if (replica->state != Phase::Ready && replica->state != Phase::Parking) return;
  replica->was_stable = at - replica->state_since >= options_.stable_after;
  move(*replica, Phase::Starting, at);
  replica->deadline = at + options_.reconnect_timeout;
}

void Fleet::event(TimePoint at, const ReplicaEvent& event) {
  Replica* replica = find(event.replica_id);
  if (replica == nullptr) return;
  switch (event.kind) {
    case ReplicaEvent::Kind::Started:
      note(at, "replica_started", *replica, at - replica->created, event.detail);
      break;
    case ReplicaEvent::Kind::LimitApplied:
      replica->limit_in_force = replica->limit_asked.value_or(cpu_limit_);
      note(at, "limit_applied", *replica,
           replica->limit_by_decision ? std::optional(at - replica->limit_asked_at) : std::nullopt,
           fmt::format("{:g} CPU", replica->limit_in_force));
      events_.back().cpu_limit = replica->limit_in_force;
      break;
    case ReplicaEvent::Kind::LimitFailed:
      replica->limit_asked.reset();
      replica->limit_retry_at = at + options_.limit_retry;
      note(at, "limit_failed", *replica, std::nullopt, event.detail);
      break;
    case ReplicaEvent::Kind::Parked:
      parked(at, *replica);
      break;
    case ReplicaEvent::Kind::Unparked:
      unparked(at, *replica);
      break;
    case ReplicaEvent::Kind::ParkFailed:
      park_failed(at, *replica, event.detail);
      break;
    case ReplicaEvent::Kind::Exited:
      if (replica->state == Phase::Draining) {
        note(at, "gone", *replica, at - replica->state_since, event.detail);
      } else {
        if (!event.expected) failed(at, *replica, "failed", event.detail);
        note(at, "gone", *replica, std::nullopt, event.detail);
      }
      remove(event.replica_id);
      break;
  }
}

void Fleet::start_failed(TimePoint at, std::string_view id, std::string_view why) {
  const Replica* replica = find(id);
  if (replica == nullptr) return;
  failed(at, *replica, "failed", std::string(why));
  note(at, "gone", *replica, std::nullopt, std::string(why));
  remove(std::string(id));
}

void Fleet::observe(TimePoint at, const std::vector<ReplicaInfo>& existing) {
  for (const auto& info : existing) {
    if (info.model != settings_.name || has(info.replica_id)) continue;
    Replica& replica = adopt(at, info.replica_id, info.parked ? "found parked" : "found running");
    replica.limit_in_force = info.cpu_limit;
    if (!info.parked) continue;
    replica.was_ready = true;
    move(replica, Phase::Parked, at);
  }
  std::vector<std::string> vanished;
  for (auto& replica : replicas_) {
    const bool listed = std::any_of(existing.begin(), existing.end(), [&](const auto& info) {
      return info.replica_id == replica.id;
    });
    if (listed) {
      replica.missing_since.reset();
    } else if (!replica.missing_since) {
      replica.missing_since = at;
    } else if (at - *replica.missing_since >= kMissingGrace) {
      vanished.push_back(replica.id);
    }
  }
  for (const auto& id : vanished) {
    event(at, {.kind = ReplicaEvent::Kind::Exited, .replica_id = id, .detail = "vanished"});
  }
}

int Fleet::count(Phase state) const {
  return static_cast<int>(std::count_if(replicas_.begin(), replicas_.end(),
                                        [&](const Replica& r) { return r.state == state; }));
}

int Fleet::live() const { return static_cast<int>(replicas_.size()) - count(Phase::Draining); }
int Fleet::serving() const {
  return static_cast<int>(std::count_if(replicas_.begin(), replicas_.end(), [](const Replica& r) {
    return r.state == Phase::Ready || (r.state == Phase::Unparking && r.connected);
  }));
}
int Fleet::pooled() const { return count(Phase::Parking) + count(Phase::Parked); }

// The pool is filled once enough replicas serve: what is needed now is not held up by it.
int Fleet::missing(TimePoint now) const {
  if (shutting_down_) return 0;
  if (serving() >= wanted_ && now >= refill_at()) return std::max(0, wanted_ + pool_ - live());
  return std::max(0, wanted_ - live() + pooled());
}

std::vector<Action> Fleet::reconcile(TimePoint now) {
  std::vector<Action> actions;
  expire(now, actions);
  for (const auto& replica : replicas_) {
    const bool works = replica.state == Phase::Ready || replica.state == Phase::Parked;
    if (strikes_ > 0 && works && replica.created > last_failure_at_ &&
        now - replica.state_since >= options_.stable_after) {
      strikes_ = 0;
    }
  }
  take_from_pool(now, actions);
  retire_surplus(now, actions);
  set_limits(now, actions);
  fill_pool(now, actions);
  start_missing(now, actions);
  return actions;
}

void Fleet::expire(TimePoint now, std::vector<Action>& actions) {
  for (const auto& id : std::exchange(stop_soon_, {})) {
    Replica* replica = find(id);
    if (replica != nullptr && replica->state != Phase::Draining) {
      retire(now, *replica, kIdleGrace, actions);
    }
  }
  for (auto& replica : replicas_) {
    if (now < replica.deadline) continue;
    const double waited_s = to_seconds(now - replica.state_since);
    switch (replica.state) {
      case Phase::Starting:
        failed(now, replica, "start_timeout",
               fmt::format("{} after {:.0f} s",
                           replica.was_ready ? "connection lost and not back" : "not ready",
                           waited_s));
        retire(now, replica, kIdleGrace, actions);
        break;
      case Phase::Parking:  // its work does not end: as at the end of any drain, it is stopped
        retire(now, replica, kIdleGrace, actions);
        break;
      case Phase::Unparking:
        failed(now, replica, "failed", fmt::format("not awake after {:.0f} s", waited_s));
        retire(now, replica, kIdleGrace, actions);
        break;
      case Phase::Draining:
        // Drained of its own accord and still there, or the last stop got lost.
        actions.push_back({.kind = Action::Kind::Stop,
                           .model = settings_.name,
                           .replica_id = replica.id,
                           .grace = kIdleGrace});
        replica.stop_asked = true;
        replica.deadline = now + options_.drain_grace;
        break;
      case Phase::Ready:
      case Phase::Parked:
        break;
    }
  }
}

void Fleet::start_missing(TimePoint now, std::vector<Action>& actions) {
  if (now < start_allowed_at_) return;
  for (int left = missing(now); left > 0; --left) {
    Replica replica;
    replica.id = fmt::format("{}-{}", settings_.name, next_number_++);
    replica.created = now;
    replica.wanted_at = now;
    replica.state_since = now;
    replica.deadline = now + options_.start_timeout;
    Action action{.kind = Action::Kind::Start, .model = settings_.name, .replica_id = replica.id};
    action.spec = {.model = settings_.name,
                   .model_path = settings_.model_path,
                   .replica_id = replica.id,
                   .cpu_request = settings_.cpu_request,
                   .cpu_limit = cpu_limit_,
                   .mode = settings_.mode};
    actions.push_back(std::move(action));
    replicas_.push_back(std::move(replica));
  }
}

void Fleet::retire_surplus(TimePoint now, std::vector<Action>& actions) {
  for (int surplus = live() - wanted_ - pool_; surplus > 0; --surplus) {
    Replica* victim = choose_victim();
    const bool loads = victim->state == Phase::Starting;
    retire(now, *victim, loads ? kIdleGrace : options_.drain_grace, actions);
  }
}

// Starting ones first (the newest); then, when more serve than are wanted, one that is only
// waking, or the ready one with the fewest requests in flight; else the newest of the pool.
// Requires one that is not draining.
Fleet::Replica* Fleet::choose_victim() {
  const bool too_many_serve = serving() > wanted_;
  const auto rank = [&](const Replica& r) {
    switch (r.state) {
      case Phase::Starting:
        return 4;
      case Phase::Unparking:
        return too_many_serve || !r.connected ? 3 : 0;
      case Phase::Ready:
        return too_many_serve ? 2 : 0;
      case Phase::Parking:
      case Phase::Parked:
        return 1;
      case Phase::Draining:
        break;
    }
    return -1;
  };
  Replica* victim = nullptr;
  for (auto& replica : replicas_) {
    if (replica.state == Phase::Draining) continue;
    if (victim == nullptr || rank(replica) > rank(*victim)) {
      victim = &replica;
    } else if (rank(replica) == rank(*victim) &&
               (replica.state != Phase::Ready || replica.in_flight <= victim->in_flight)) {
      victim = &replica;  // later in the table = newer: it wins ties
    }
  }
  return victim;
}

void Fleet::retire(TimePoint now, Replica& replica, Duration grace, std::vector<Action>& actions) {
  if (replica.was_ready) {
    actions.push_back(
        {.kind = Action::Kind::Drain, .model = settings_.name, .replica_id = replica.id});
  }
  actions.push_back({.kind = Action::Kind::Stop,
                     .model = settings_.name,
                     .replica_id = replica.id,
                     .grace = grace});
  replica.stop_asked = true;
  move(replica, Phase::Draining, now);
  replica.deadline = now + grace + options_.drain_grace;
  note(now, "draining", replica, now - std::max(wanted_since_, replica.created));
}

bool Fleet::has_limit(const Replica& replica) const {
  return replica.limit_asked && std::abs(*replica.limit_asked - cpu_limit_) <= kCpuSlack;
}

void Fleet::set_limits(TimePoint now, std::vector<Action>& actions) {
  for (auto& replica : replicas_) {
    if (replica.state != Phase::Ready || now < replica.limit_retry_at) continue;
    if (has_limit(replica)) continue;
    replica.limit_by_decision = replica.limit_asked.has_value();
    replica.limit_asked = cpu_limit_;
    replica.limit_asked_at =
        replica.limit_by_decision ? std::max(limit_since_, replica.wanted_at) : now;
    actions.push_back({.kind = Action::Kind::SetCpuLimit,
                       .model = settings_.name,
                       .replica_id = replica.id,
                       .cpu_limit = cpu_limit_});
  }
}

TimePoint Fleet::next_wakeup() const {
  TimePoint next = TimePoint::max();
  for (const auto& replica : replicas_) {
    if (replica.state == Phase::Parked) continue;
    if (replica.state != Phase::Ready) {
      next = std::min(next, replica.deadline);
    } else if (!replica.limit_asked) {
      next = std::min(next, replica.limit_retry_at);
    }
  }
  if (missing(TimePoint::max()) > 0) {
    const bool for_pool = serving() >= wanted_;
    next = std::min(next, for_pool ? std::max(start_allowed_at_, refill_at()) : start_allowed_at_);
  }
  return next;
}

std::vector<ScalingEvent> Fleet::take_events() { return std::exchange(events_, {}); }
std::vector<std::string> Fleet::take_forgotten() { return std::exchange(forgotten_, {}); }

}  // namespace spate::scaling
