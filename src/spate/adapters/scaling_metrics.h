// SPDX-License-Identifier: Apache-2.0
//
// ScalingMetrics: the gateway's Prometheus series that come from scaling: replicas, limits,
// decisions, and what every component consumes (docs/metrics.md). Those of serving are in
// gateway/gateway_metrics.h; both go into one exposition.
//
// Threads: the loop's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "spate/adapters/control_loop.h"
#include "spate/telemetry/metrics.h"

namespace spate::adapters {

class ScalingMetrics {
 public:
  // Borrows `metrics` and `loop`, which must outlive it. `limit_mechanism` becomes a label.
  ScalingMetrics(telemetry::Metrics& metrics, const ControlLoop& loop, std::string limit_mechanism);

  // Brings everything up to date with the loop's.
  void update();

 private:
  struct Model {
    std::vector<telemetry::Gauge*> replicas;  // in the order of kReplicaStates
    telemetry::Gauge* cpu_limit = nullptr;
    telemetry::Gauge* cpu_reserved = nullptr;
    telemetry::Counter* failures = nullptr;
  };
  struct Component {
    telemetry::Counter* cpu_seconds = nullptr;
    telemetry::Gauge* memory = nullptr;
    telemetry::Gauge* private_memory = nullptr;
    telemetry::Counter* throttled = nullptr;
    telemetry::Counter* cpu_stalled = nullptr;  // once the kernel tells it
    telemetry::Counter* memory_stalled = nullptr;
    bool seen = false;
  };

  Model& model(const std::string& name);
  telemetry::Counter& decisions(const std::string& model, const std::string& direction);
  telemetry::Counter& by_rule(const std::string& model, const std::string& rule);
  telemetry::Counter& limited(const std::string& model, const std::string& limit);
  void update_models();
  void update_components();
  void update_decisions();

  telemetry::Metrics& metrics_;
  const ControlLoop& loop_;
  std::map<std::string, Model> models_;
  std::map<std::string, Component> components_;  // by component/replica
  telemetry::Counter& invalid_decisions_;
};

}  // namespace spate::adapters
