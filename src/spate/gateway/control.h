// SPDX-License-Identifier: Apache-2.0
//
// Control: what the control loop (autoscaler, metrics, HTTP API) needs of the gateway. The live
// gateway::Server implements it; the simulator implements it over the same core.
//
// Threads: the loop's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/histogram.h"
#include "spate/scaling/strategy.h"

namespace spate::gateway {

// How a request ended. Every accepted request ends exactly one way.
enum class Outcome : std::uint8_t {
  Answered,
  BadInput,
  UnknownModel,
  Overloaded,
  Expired,
  ModelFailed,
  ShuttingDown,
};
inline constexpr std::size_t kOutcomes = 7;
// The word of the MQTT contract: "answered", "bad_input", "unknown_model", "overloaded",
// "expired", "model_failed", "shutting_down".
std::string_view to_string(Outcome outcome);

struct WorkerInfo {
  std::string replica_id;
  std::string model;
  std::int64_t pid = 0;
  std::string container_id;
  scaling::ReplicaState state = scaling::ReplicaState::Starting;
  TimePoint registered{};
  TimePoint ready{};         // epoch until it is
  TimePoint first_answer{};  // epoch until it was
  Duration exec_to_main{};
  Duration load{};
  Duration warm_up{};
  int in_flight = 0;       // requests dispatched and not answered
  double cpu_limit = 0.0;  // what it was last told; 0 = none
  // Where it serves /metrics, "host:port"; ":port" when it dialled in over a Unix socket and
  // listens on every address of this machine; "" when nowhere.
  std::string metrics_address{};
};

struct WorkerEvent {
  // FirstAnswer: since it became ready, or since it was last unparked. Idle: it is parked and has
  // answered all it had; it may be paused now.
  enum class Kind { Registered, Ready, FirstAnswer, Draining, Gone, Idle };
  Kind kind = Kind::Gone;
  WorkerInfo worker;
};

// Totals since the gateway started, and what is true now.
struct RouteStats {
  std::uint64_t arrived = 0;
  std::array<std::uint64_t, kOutcomes> ended{};  // by Outcome
  std::uint64_t redispatched = 0;                // attempts beyond the first
  std::size_t queue_length = 0;
  std::size_t queue_bytes = 0;
  std::size_t in_flight = 0;
  Duration oldest_age{};   // of the oldest waiting request; 0 when none waits
  Duration service_sum{};  // over answered requests: time inside a worker
  Histogram latency;       // of answered requests: receipt until the result was published
};

class Control {
 public:
  virtual ~Control() = default;

  virtual std::vector<std::string> models() const = 0;
  virtual const RouteStats& stats(std::string_view model) const = 0;
  virtual std::vector<WorkerInfo> workers() const = 0;

  // Sends it no more work and tells it to finish and leave. Unknown ids are ignored.
  virtual void drain(const std::string& replica_id) = 0;
  // Sends it no more work; it stays connected. Once it has answered what it has (at once, within
  // the call, when it has nothing) WorkerEvent Idle follows, after which it may be paused for as
  // long as one likes: it is not pinged and its silence means nothing. Only a ready worker can be
  // parked; other ids are ignored.
  virtual void park(const std::string& replica_id) = 0;
  // It runs again: it gets work from now on, as the ready worker it was. Ignored when not parked.
  virtual void unpark(const std::string& replica_id) = 0;
  // Tells a worker the CPU limit now in force (wire::CpuLimit) and weighs dispatch by it.
  virtual void announce_cpu_limit(const std::string& replica_id, double cpus, bool duty_cycle) = 0;
  virtual void set_max_batch(std::string_view model, int max_batch) = 0;

  virtual void set_worker_event_handler(std::function<void(const WorkerEvent&)> handler) = 0;
};

}  // namespace spate::gateway
