// SPDX-License-Identifier: Apache-2.0
//
// Actuator: makes replicas exist, gives them CPU, ends them. One implementation per engine
// (process, docker, swarm, kubernetes) in adapters/.
//
// Calls return at once; outcomes arrive through the event handler, on the loop's thread. The
// autoscaler is level-triggered: it compares list() with what is wanted and calls again, so a
// lost event does no harm.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace spate::scaling {

struct ReplicaSpec {
  std::string model{};       // route
  std::string model_path{};  // model directory
  std::string replica_id{};  // unique in the run
  double cpu_request = 0.0;
  double cpu_limit = 0.0;           // in force once ready; a starting replica is boosted (no limit)
  std::string mode = "throughput";  // "throughput" | "latency" (design 3.3)
};

struct ReplicaInfo {
  std::string replica_id{};
  std::string model{};
  std::int64_t pid = 0;        // 0 when unknown
  std::string container_id{};  // "" when none
  double cpu_limit = 0.0;      // in force now; 0 = none
  bool parked = false;         // paused by park()
};

struct ReplicaEvent {
  enum class Kind { Started, Exited, LimitApplied, LimitFailed, Parked, Unparked, ParkFailed };
  Kind kind = Kind::Exited;
  std::string replica_id{};
  std::string detail{};   // why it exited (status or signal), what failed
                          // (ParkFailed: park() or unpark() did)
  bool expected = false;  // Exited: it had been asked to stop
  // Started: what the engine took for each step, by name with unit ("create_ms"), in its order.
  std::vector<std::pair<std::string, double>> phases{};
};

// How CPU limits are enforced here; stands in every result.
enum class LimitMechanism { CgroupV2, CgroupV1, DutyCycle, Engine, None };
std::string_view to_string(LimitMechanism mechanism);

class Actuator {
 public:
  using EventHandler = std::function<void(const ReplicaEvent&)>;
  virtual ~Actuator() = default;

  virtual std::string_view name() const = 0;
  virtual LimitMechanism limit_mechanism() const = 0;
  virtual void set_event_handler(EventHandler handler) = 0;

  // Starts a replica without a CPU limit (start-up boost). The worker dials in by itself.
  virtual Status start(const ReplicaSpec& spec) = 0;
  // Sets the CPU limit of a running replica (CPUs > 0; 0 removes it).
  virtual Status set_cpu_limit(const std::string& replica_id, double cpus) = 0;
  // Pauses a replica that has nothing to do: it keeps its memory and uses no CPU. Parked follows.
  // Engines that cannot pause leave this as it is.
  virtual Status park(const std::string& replica_id);
  // Lets it go on. Unparked follows.
  virtual Status unpark(const std::string& replica_id);
  // Ends it, parked or not: SIGTERM (the worker drains), after `grace` SIGKILL. Idempotent.
  virtual Status stop(const std::string& replica_id, Duration grace) = 0;
  // What exists now, adopted replicas of an earlier gateway included.
  virtual std::vector<ReplicaInfo> list() const = 0;
};

}  // namespace spate::scaling
