// SPDX-License-Identifier: Apache-2.0
//
// Strategy: decides what should run. The Autoscaler samples metrics for it, calls it
// at its tick, applies limits and hands the result to an Actuator.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/scaling/rule.h"
#include "spate/scaling/signal.h"

namespace spate::scaling {

enum class ReplicaState : std::uint8_t { Starting, Ready, Draining, Parked };
std::string_view to_string(ReplicaState state);

struct ReplicaView {
  std::string id{};
  ReplicaState state = ReplicaState::Starting;
  TimePoint created{};
  TimePoint state_since{};
  double cpu_request = 0.0;  // CPUs reserved
  double cpu_limit = 0.0;    // CPUs it may use; 0 = no limit (start-up boost)
  int in_flight = 0;
};

// The limits that the scenario sets; the autoscaler enforces them after every decision.
struct Bounds {
  int min_replicas = 1;
  int max_replicas = 1;
  double min_cpu = 0.1;  // CPUs per replica
  double max_cpu = 1.0;
  double cpu_ceiling = 1.0;  // CPUs over all replicas: replicas x cpu_limit stays at or below it
};

// One model, as this strategy's own samplers saw it: every value is as old, as
// averaged and as incomplete as the imitated system would have had it.
struct ModelView {
  std::string model{};
  Bounds bounds{};
  double slo_latency_s = 0.0;
  double slo_target = 0.0;              // 0 to 1
  double cpu_request = 0.0;             // of a replica at initial_cpu_limit, CPUs
  double cpu_limit = 0.0;               // wanted now, CPUs per replica
  double initial_cpu_limit = 0.0;       // what the scenario started with
  int wanted_replicas = 0;              // of the last decision in force
  int warm_pool = 0;                    // parked replicas wanted besides, of the same decision
  std::vector<ReplicaView> replicas{};  // in the order in which they were created
  // How long the last replicas took from the decision until ready, oldest first, at most 16.
  std::vector<Duration> start_ups{};
  std::vector<MetricView> metrics{};  // in the order of needs().metrics
};

struct Observation {
  TimePoint now{};
  std::vector<ModelView> models{};
};

struct Target {
  int replicas = 0;                   // how many should exist, starting ones included
  std::optional<double> cpu_limit{};  // CPUs per replica; unset = leave as it is
  std::optional<int> max_batch{};
  std::optional<std::string> variant{};
  // Parked replicas (loaded, then paused) kept besides `replicas`; unset = leave as it is.
  std::optional<int> warm_pool{};
  std::string
      reason{};  // one phrase for the report, e.g. "CPU 0.93 of limit over 5 s is above 0.80"
  Rule rule = Rule::Unnamed;  // one of its StrategyInfo's
  // Wrappers that changed what the strategy asked, joined by "+"; "" when none did.
  std::string changed_by{};
};

struct Needs {
  Duration tick = std::chrono::seconds(1);
  std::vector<MetricSpec> metrics{};
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  virtual std::string_view name() const = 0;

  // Tick and metrics, with their sampling period, window and delay. Constant for its life.
  virtual const Needs& needs() const = 0;

  // Called once per tick; must return at once. May remember earlier observations.
  // Must not do I/O, read a clock, draw random numbers or use globals: equal
  // observations give equal decisions. One Target per model, in the order of `seen.models`.
  virtual std::vector<Target> decide(const Observation& seen) = 0;

  // Memory across a restart of the gateway. restore(snapshot()) changes no later decision.
  virtual std::string snapshot() const = 0;
  virtual Status restore(std::string_view snapshot) = 0;
};

}  // namespace spate::scaling
