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
      cpu_limit_(settings_.cpu_limit) {}

void Fleet::want(TimePoint at, int replicas, double cpu_limit) {
  if (shutting_down_) return;
  const bool limit_changed = std::abs(cpu_limit - cpu_limit_) > kCpuSlack;
  if (replicas == wanted_ && !limit_changed) return;
  ++generation_;
  if (replicas != wanted_) wanted_since_ = at;
  if (limit_changed) limit_since_ = at;
  wanted_ = replicas;
  cpu_limit_ = cpu_limit;
}

void Fleet::restore(int replicas, double cpu_limit, int next_number, std::uint64_t generation) {
  wanted_ = replicas;
  cpu_limit_ = cpu_limit;
  next_number_ = std::max(next_number_, next_number);
  generation_ = generation;
}

void Fleet::shut_down(TimePoint at) {
  want(at, 0, cpu_limit_);
  shutting_down_ = true;
}

Fleet::Replica* Fleet::find(std::string_view id) {
  const auto it = std::find_if(replicas_.begin(), replicas_.end(),
                               [&](const Replica& r) { return r.id == id; });
  return it == replicas_.end() ? nullptr : &*it;
}

bool Fleet::has(std::string_view replica) const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [&](const Replica& r) { return r.id == replica; });
}

void Fleet::set_in_flight(std::string_view replica, int in_flight) {
  if (Replica* r = find(replica)) r->in_flight = in_flight;
}

Fleet::Replica& Fleet::adopt(TimePoint at, std::string_view id, std::string_view how) {
  Replica replica;
  replica.id = std::string(id);
  replica.created = at;
  replica.state_since = at;
  replica.deadline = at + options_.start_timeout;
  replica.adopted = true;
  next_number_ = std::max(next_number_, number_of(id, settings_.name) + 1);
  replicas_.push_back(std::move(replica));
  note(at, "adopted", replicas_.back(), std::nullopt, std::string(how));
  return replicas_.back();
}

void Fleet::move(Replica& replica, ReplicaState state, TimePoint at) {
  replica.state = state;
  replica.state_since = at;
}

void Fleet::remove(std::string_view id) {
  forgotten_.emplace_back(id);
  std::erase_if(replicas_, [&](const Replica& r) { return r.id == id; });
}

void Fleet::failed(TimePoint at, const Replica& replica, const char* event, std::string why) {
  const bool stable_now =
      replica.state == ReplicaState::Ready && at - replica.state_since >= options_.stable_after;
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
  } else if (replica->state == ReplicaState::Starting && replica->was_ready) {
    // Back after a lost connection: it loads nothing anew, readiness follows at once.
    replica->deadline = at + options_.reconnect_timeout;
  }
}

void Fleet::ready(TimePoint at, std::string_view id) {
  Replica* found = find(id);
  Replica& replica = found != nullptr ? *found : adopt(at, id, "it dialled in");
  if (replica.state != ReplicaState::Starting) return;
  move(replica, ReplicaState::Ready, at);
  // The gateway, or the worker, may be a new one: it is told the limit (again).
  replica.limit_asked.reset();
  replica.limit_by_decision = false;
  replica.limit_retry_at = at;
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
  if (replica->adopted) return;  // it answered an earlier gateway first
  note(at, "first_answer", *replica, at - replica->created);
}

void Fleet::draining(TimePoint at, std::string_view id) {
  Replica* replica = find(id);
  if (replica == nullptr || replica->state == ReplicaState::Draining) return;
  move(*replica, ReplicaState::Draining, at);
  replica->deadline = at + options_.drain_grace;
  note(at, "draining", *replica, std::nullopt, "of its own accord");
}

void Fleet::connection_lost(TimePoint at, std::string_view id) {
  Replica* replica = find(id);
  if (replica == nullptr || replica->state != ReplicaState::Ready) return;
  replica->was_stable = at - replica->state_since >= options_.stable_after;
  move(*replica, ReplicaState::Starting, at);
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
    case ReplicaEvent::Kind::Unparked:
    case ReplicaEvent::Kind::ParkFailed:
      break;
    case ReplicaEvent::Kind::Exited:
      if (replica->state == ReplicaState::Draining) {
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
    Replica& replica = adopt(at, info.replica_id, "found running");
    replica.limit_in_force = info.cpu_limit;
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

int Fleet::live() const {
  return static_cast<int>(std::count_if(replicas_.begin(), replicas_.end(), [](const Replica& r) {
    return r.state != ReplicaState::Draining;
  }));
}

std::vector<Action> Fleet::reconcile(TimePoint now) {
  std::vector<Action> actions;
  expire(now, actions);
  for (const auto& replica : replicas_) {
    if (strikes_ > 0 && replica.state == ReplicaState::Ready &&
        replica.created > last_failure_at_ && now - replica.state_since >= options_.stable_after) {
      strikes_ = 0;
    }
  }
  retire_surplus(now, actions);
  set_limits(now, actions);
  start_missing(now, actions);
  return actions;
}

void Fleet::expire(TimePoint now, std::vector<Action>& actions) {
  for (auto& replica : replicas_) {
    if (now < replica.deadline) continue;
    if (replica.state == ReplicaState::Starting) {
      const Duration waited = now - replica.state_since;
      failed(now, replica, "start_timeout",
             fmt::format("{} after {:.0f} s",
                         replica.was_ready ? "connection lost and not back" : "not ready",
                         to_seconds(waited)));
      retire(now, replica, kIdleGrace, actions);
    } else if (replica.state == ReplicaState::Draining) {
      // Drained of its own accord and still there, or the last stop got lost.
      actions.push_back({.kind = Action::Kind::Stop,
                         .model = settings_.name,
                         .replica_id = replica.id,
                         .grace = kIdleGrace});
      replica.stop_asked = true;
      replica.deadline = now + options_.drain_grace;
    }
  }
}

void Fleet::start_missing(TimePoint now, std::vector<Action>& actions) {
  if (shutting_down_ || now < start_allowed_at_) return;
  for (int missing = wanted_ - live(); missing > 0; --missing) {
    Replica replica;
    replica.id = fmt::format("{}-{}", settings_.name, next_number_++);
    replica.created = now;
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
  for (int surplus = live() - wanted_; surplus > 0; --surplus) {
    Replica* victim = nullptr;
    for (auto& replica : replicas_) {
      if (replica.state == ReplicaState::Draining) continue;
      if (victim == nullptr) {
        victim = &replica;
        continue;
      }
      const bool starting = replica.state == ReplicaState::Starting;
      const bool victim_starting = victim->state == ReplicaState::Starting;
      // Later in the table = newer: it wins ties.
      if (starting != victim_starting ? starting
                                      : (starting || replica.in_flight <= victim->in_flight)) {
        victim = &replica;
      }
    }
    const bool idle = victim->state == ReplicaState::Starting;
    retire(now, *victim, idle ? kIdleGrace : options_.drain_grace, actions);
  }
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
  move(replica, ReplicaState::Draining, now);
  replica.deadline = now + grace + options_.drain_grace;
  note(now, "draining", replica, now - std::max(wanted_since_, replica.created));
}

void Fleet::set_limits(TimePoint now, std::vector<Action>& actions) {
  for (auto& replica : replicas_) {
    if (replica.state != ReplicaState::Ready || now < replica.limit_retry_at) continue;
    if (replica.limit_asked && std::abs(*replica.limit_asked - cpu_limit_) <= kCpuSlack) continue;
    replica.limit_by_decision = replica.limit_asked.has_value();
    replica.limit_asked = cpu_limit_;
    replica.limit_asked_at = replica.limit_by_decision ? limit_since_ : now;
    actions.push_back({.kind = Action::Kind::SetCpuLimit,
                       .model = settings_.name,
                       .replica_id = replica.id,
                       .cpu_limit = cpu_limit_});
  }
}

TimePoint Fleet::next_wakeup() const {
  TimePoint next = TimePoint::max();
  for (const auto& replica : replicas_) {
    if (replica.state != ReplicaState::Ready) {
      next = std::min(next, replica.deadline);
    } else if (!replica.limit_asked) {
      next = std::min(next, replica.limit_retry_at);
    }
  }
  if (!shutting_down_ && live() < wanted_) next = std::min(next, start_allowed_at_);
  return next;
}

double Fleet::reserved(const Replica& replica) const {
  if (replica.state == ReplicaState::Starting && !replica.was_ready) {
    return std::max(options_.boost_cpus, settings_.cpu_request);
  }
  const double limit = replica.limit_in_force > 0.0 ? replica.limit_in_force : cpu_limit_;
  return settings_.cpu_limit > 0.0 ? settings_.cpu_request * limit / settings_.cpu_limit
                                   : settings_.cpu_request;
}

std::vector<ReplicaView> Fleet::views() const {
  std::vector<ReplicaView> out;
  for (const auto& replica : replicas_) {
    out.push_back({.id = replica.id,
                   .state = replica.state,
                   .created = replica.created,
                   .state_since = replica.state_since,
                   .cpu_request = reserved(replica),
                   .cpu_limit = replica.limit_in_force,
                   .in_flight = replica.in_flight});
  }
  return out;
}

ModelStatus Fleet::status() const {
  ModelStatus out;
  out.model = settings_.name;
  out.wanted = wanted_;
  out.cpu_limit = cpu_limit_;
  out.generation = generation_;
  out.failures = failures_;
  out.last_failure = last_failure_;
  out.replicas = views();
  for (const auto& replica : out.replicas) {
    out.ready += replica.state == ReplicaState::Ready ? 1 : 0;
    out.starting += replica.state == ReplicaState::Starting ? 1 : 0;
    out.draining += replica.state == ReplicaState::Draining ? 1 : 0;
    out.cpu_reserved += replica.cpu_request;
  }
  return out;
}

std::vector<ScalingEvent> Fleet::take_events() { return std::exchange(events_, {}); }
std::vector<std::string> Fleet::take_forgotten() { return std::exchange(forgotten_, {}); }

}  // namespace spate::scaling
