// SPDX-License-Identifier: Apache-2.0
//
// Fleet: the replicas of one model, and the reconciliation of what exists with what is wanted.
// The rules are in autoscaler.h, whose Autoscaler owns one Fleet per model.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/scaling/autoscaler.h"

namespace spate::scaling {

class Fleet {
 public:
  Fleet(ModelSettings settings, const AutoscalerOptions& options);

  const ModelSettings& settings() const { return settings_; }
  int wanted() const { return wanted_; }
  double cpu_limit() const { return cpu_limit_; }
  int warm_pool() const { return pool_; }
  std::uint64_t generation() const { return generation_; }
  int next_number() const { return next_number_; }
  const std::deque<Duration>& start_ups() const { return start_ups_; }

  // What should exist from now on: `replicas` that serve, `warm_pool` parked ones besides. Counts a
  // generation when that is a change.
  void want(TimePoint at, int replicas, double cpu_limit, int warm_pool);
  // Back from a snapshot.
  void restore(int replicas, double cpu_limit, int warm_pool, int next_number,
               std::uint64_t generation);
  // Wants none, and starts none any more.
  void shut_down(TimePoint at);

  bool has(std::string_view replica) const;
  bool empty() const { return replicas_.empty(); }
  void set_in_flight(std::string_view replica, int in_flight);

  void registered(TimePoint at, std::string_view replica);
  void ready(TimePoint at, std::string_view replica);
  void first_answer(TimePoint at, std::string_view replica);
  void draining(TimePoint at, std::string_view replica);
  void connection_lost(TimePoint at, std::string_view replica);
  void event(TimePoint at, const ReplicaEvent& event);
  void start_failed(TimePoint at, std::string_view replica, std::string_view why);
  void observe(TimePoint at, const std::vector<ReplicaInfo>& existing);

  std::vector<Action> reconcile(TimePoint now);
  TimePoint next_wakeup() const;

  std::vector<ReplicaView> views() const;
  // What a strategy sees: without the warm pool and what is being started for it, so that a
  // pool changes nothing for a strategy that knows of none.
  std::vector<ReplicaView> serving_views() const;
  ModelStatus status() const;
  std::vector<ScalingEvent> take_events();
  // Ids of replicas that left the table, or were parked, since the last call.
  std::vector<std::string> take_forgotten();

 private:
  // As ReplicaState; Parking (finishing its work, then paused) is shown as Draining, Unparking
  // (asked to go on) as Starting.
  enum class Phase : std::uint8_t { Starting, Ready, Parking, Parked, Unparking, Draining };
  struct Replica {
    std::string id;
    Phase state = Phase::Starting;
    TimePoint created{};
    TimePoint state_since{};
    // Starting, Parking, Unparking: give up; Draining: stop again.
    TimePoint deadline{};
    // From when its first answer counts: created, or taken from the pool.
    TimePoint wanted_at{};
    bool connected = false;  // registered, ready, and not lost since
    bool from_pool = false;  // it was unparked to serve
    bool was_ready = false;
    bool was_stable = false;  // when its connection was lost it had been ready for long
    bool answered = false;
    bool adopted = false;
    bool stop_asked = false;
    int in_flight = 0;
    double limit_in_force = 0.0;        // 0 = none
    std::optional<double> limit_asked;  // of the actuator, since it was last ready
    bool limit_by_decision = false;     // the limit follows a decision, not the end of the boost
    TimePoint limit_asked_at{};
    TimePoint limit_retry_at{};
    std::optional<TimePoint> missing_since;  // not in the actuator's list
  };

  std::size_t index_of(std::string_view id) const;  // the number of replicas when it is unknown
  Replica* find(std::string_view id);
  Replica& adopt(TimePoint at, std::string_view id, std::string_view how);
  void move(Replica& replica, Phase state, TimePoint at);
  void remove(std::string_view id);
  void failed(TimePoint at, const Replica& replica, const char* event, std::string why);
  void note(TimePoint at, const char* event, const Replica& replica,
            std::optional<Duration> after = std::nullopt, std::string detail = {});
  void expire(TimePoint now, std::vector<Action>& actions);
  void start_missing(TimePoint now, std::vector<Action>& actions);
  void retire_surplus(TimePoint now, std::vector<Action>& actions);
  Replica* choose_victim();
  void take_from_pool(TimePoint now, std::vector<Action>& actions);
  void unpark(TimePoint now, Replica& replica, std::vector<Action>& actions);
  void fill_pool(TimePoint now, std::vector<Action>& actions);
  void parked(TimePoint at, Replica& replica);
  void unparked(TimePoint at, Replica& replica);
  void park_failed(TimePoint at, Replica& replica, const std::string& why);
  void set_limits(TimePoint now, std::vector<Action>& actions);
  void retire(TimePoint now, Replica& replica, Duration grace, std::vector<Action>& actions);
  int count(Phase state) const;
  int live() const;                  // all but draining ones
  int serving() const;               // ready, or about to be within moments
  int pooled() const;                // parked, or about to be
  int missing(TimePoint now) const;  // to be started now
  // When what has just been taken from the pool will have answered; not in the way until then.
  TimePoint refill_at() const;
  bool has_limit(const Replica& replica) const;
  double reserved(const Replica& replica) const;
  ReplicaView view(const Replica& replica) const;

  const ModelSettings settings_;
  const AutoscalerOptions options_;
  int wanted_ = 0;
  double cpu_limit_ = 0.0;
  int pool_ = 0;
  std::uint64_t generation_ = 0;
  TimePoint wanted_since_{};
  TimePoint limit_since_{};
  bool shutting_down_ = false;
  int next_number_ = 1;
  std::vector<Replica> replicas_;  // in order of creation
  mutable std::size_t last_found_ = 0;
  int strikes_ = 0;  // failures in a row
  TimePoint start_allowed_at_{};
  TimePoint last_failure_at_{};
  std::uint64_t failures_ = 0;
  std::string last_failure_;
  std::deque<Duration> start_ups_;
  std::vector<ScalingEvent> events_;
  std::vector<std::string> forgotten_;
  std::vector<std::string> stop_soon_;  // could not be parked or unparked: retired by reconcile()
};

}  // namespace spate::scaling
