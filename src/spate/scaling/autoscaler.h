// SPDX-License-Identifier: Apache-2.0
//
// Autoscaler: observes, asks the strategy, applies the limits, and keeps what exists equal to
// what is wanted. A core without I/O: readings, events and a time in; actions and records out.
//
//   readings ──► Sampler ──► Observation ──► Strategy::decide ──► limits ──► wanted (generation)
//                                                                              │ reconcile
//   worker events, actuator events, lists ──► replica table ──────────────────►┴──► actions
//
// Level-triggered: every poll() compares the replica table with what is wanted, so a lost event
// or a failed action is put right by a later poll. The control loop (adapters/control_loop.h)
// drives it live, the simulator drives the same object.
//
// Rules of reconciliation, per model:
// - Missing replicas are started, without a CPU limit (start-up boost); a replica gets the
//   wanted limit as soon as it is ready, and again whenever the wanted limit changes.
// - Surplus ones go: starting ones first (newest first), then the ready one with the fewest
//   requests in flight (the newest of equals). A ready one is drained.
// - A start that takes longer than start_timeout is stopped and counts as a failure. A failed
//   replica is replaced at once the first time, then after backoff_first, doubled each time up
//   to backoff_max, until one has been ready for stable_after. The last reason is kept.
// - A replica that lost its connection and does not come back within reconnect_timeout is
//   stopped and replaced.
// - The warm pool: besides the wanted replicas, `warm_pool` ones are kept that are loaded and then
//   parked (paused; memory, no CPU). Replicas are alike: when fewer serve than are wanted, parked
//   ones are taken first; when more serve, they are parked while the pool is short, and only
//   then drained and stopped. The pool is filled once enough serve, so that what is needed now
//   does not share the machine with what may be needed later; refilled, once those taken from it
//   have answered, or after a second. Bounds and the CPU ceiling are of
//   the serving ones.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/scaling/actuator.h"
#include "spate/scaling/model_settings.h"
#include "spate/scaling/sampler.h"
#include "spate/scaling/strategy.h"

namespace spate::scaling {

struct AutoscalerOptions {
  Duration start_timeout = std::chrono::seconds(60);      // asked for until ready
  Duration reconnect_timeout = std::chrono::seconds(10);  // connection lost until back
  Duration drain_grace = std::chrono::seconds(10);        // drain until SIGKILL
  Duration unpark_timeout = std::chrono::seconds(10);     // asked to wake until it has
  Duration backoff_first = std::chrono::milliseconds(500);
  Duration backoff_max = std::chrono::seconds(30);
  Duration stable_after = std::chrono::seconds(10);
  Duration limit_retry = std::chrono::seconds(1);  // a limit that could not be set
  // CPUs a loading replica is charged (it has no limit; loading runs on one thread).
  double boost_cpus = 1.0;
};

struct Action {
  enum class Kind : std::uint8_t {
    Start,        // `spec`
    SetCpuLimit,  // `replica_id`, `cpu_limit`
    Drain,        // `replica_id`: the gateway sends it no more work
    Stop,         // `replica_id`, `grace`
    SetMaxBatch,  // `model`, `max_batch`
    // `replica_id`: the gateway sends it no more work (gateway::Control::park) and, once it has
    // answered what it has, the actuator pauses it.
    Park,
    // `replica_id`: the actuator lets it go on; when it says Unparked, the gateway is told. A park
    // that still waits for answers is called off.
    Unpark,
  };
  Kind kind = Kind::Start;
  std::string model{};
  std::string replica_id{};
  ReplicaSpec spec{};
  double cpu_limit = 0.0;
  Duration grace{0};
  int max_batch = 0;
};

struct MetricSeen {
  std::string name{};
  std::string signal{};
  std::optional<double> value{};  // unset: nothing was known
  int readings = 0;
  double age_s = 0.0;  // of the newest reading
};

// One decision of the strategy for one model, with what it saw and what became of it.
struct DecisionRecord {
  TimePoint at{};
  std::string strategy{};
  std::string model{};
  std::vector<MetricSeen> inputs{};
  int from_replicas = 0;
  double from_cpu_limit = 0.0;
  int from_warm_pool = 0;
  int asked_replicas = 0;  // by the strategy, before the limits
  double asked_cpu_limit = 0.0;
  int asked_warm_pool = 0;
  int to_replicas = 0;
  double to_cpu_limit = 0.0;
  int to_warm_pool = 0;
  std::string reason{};
  std::string rule{};        // of the strategy, to_string(Rule)
  std::string changed_by{};  // wrappers that changed it, joined by "+"
  std::string clipped_by{};  // bounds that changed it, likewise; "" when none did
  std::string direction{};   // "up" | "down" | "hold"
  std::uint64_t generation = 0;
};

// Something that happened to a replica because of a decision (or in spite of it).
struct ScalingEvent {
  TimePoint at{};
  // replica_started | ready | first_answer | limit_applied | limit_failed | draining | gone |
  // failed | start_timeout | adopted | parked | unparked. Every replica's last one is `gone`.
  std::string event{};
  std::string model{};
  std::string replica{};
  // Since the decision that caused it (a start, a limit, a drain, or taking it from the warm pool:
  // unparked and the first_answer after it); unset when none did. parked: since it got no more
  // work.
  std::optional<Duration> after{};
  std::optional<double> cpu_limit{};  // limit_applied: CPUs in force now
  std::string detail{};
};

// What exists and what is wanted, for series, metrics and the API.
struct ModelStatus {
  std::string model{};
  int wanted = 0;
  double cpu_limit = 0.0;  // wanted, per replica
  int ready = 0;
  int starting = 0;
  int draining = 0;
  int parked = 0;     // replicas of the warm pool that are paused
  int warm_pool = 0;  // wanted
  // Sum of the CPU requests of all replicas that exist: starting ones at boost_cpus, parked ones 0.
  double cpu_reserved = 0.0;
  std::uint64_t generation = 0;
  std::uint64_t failures = 0;  // replicas that died or never became ready
  std::string last_failure{};  // why the last one did
  std::vector<ReplicaView> replicas{};
};

class Autoscaler {
 public:
  // Throws ConfigError when bounds cannot be kept (minimums above maximums or the ceiling).
  Autoscaler(std::vector<ModelSettings> models, std::unique_ptr<Strategy> strategy,
             AutoscalerOptions options, TimePoint start);
  ~Autoscaler();

  // --- readings -------------------------------------------------------------------------------
  // What was read of `model` at `at`. Also updates the replicas' requests in flight.
  void read(TimePoint at, std::string_view model, const RawModel& raw);

  // --- what the gateway saw of its workers ------------------------------------------------------
  void worker_registered(TimePoint at, std::string_view replica, std::string_view model);
  void worker_ready(TimePoint at, std::string_view replica, std::string_view model);
  void worker_first_answer(TimePoint at, std::string_view replica);
  void worker_draining(TimePoint at, std::string_view replica);
  void worker_gone(TimePoint at, std::string_view replica);

  // --- what the actuator says -------------------------------------------------------------------
  void replica_event(TimePoint at, const ReplicaEvent& event);
  // The call to start() or set_cpu_limit() for `replica` itself failed.
  void start_failed(TimePoint at, std::string_view replica, std::string_view why);
  // What exists. Replicas of models we know that are not in the table are adopted, those of the
  // table that are missing are gone; call it at the start and once in a while.
  void observe(TimePoint at, const std::vector<ReplicaInfo>& existing);

  // --- time -------------------------------------------------------------------------------------
  // Decides if the strategy's tick has come, then reconciles. Returns what is to be done, in order.
  std::vector<Action> poll(TimePoint now);
  // When poll() or read() is next needed if nothing happens before.
  TimePoint next_wakeup() const;
  // When the sampler wants its next reading of a model.
  TimePoint next_reading() const;

  // Stops deciding and wants nothing any more: every replica is drained and stopped.
  void shut_down(TimePoint at);
  bool all_gone() const;  // no replica is left in the table

  // --- what it did ------------------------------------------------------------------------------
  std::vector<DecisionRecord> take_decisions();
  std::vector<ScalingEvent> take_events();
  std::vector<ModelStatus> status() const;
  const Strategy& strategy() const;
  // Decisions that were unusable (wrong count, negative, not finite) and held instead.
  std::uint64_t invalid_decisions() const;

  // Memory over a restart of the gateway, JSON text. Restoring keeps what is wanted and the
  // numbers of replica ids; replicas themselves come back through observe(). An error leaves
  // everything as it was.
  std::string snapshot() const;
  Status restore(std::string_view snapshot);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spate::scaling
