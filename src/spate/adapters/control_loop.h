// SPDX-License-Identifier: Apache-2.0
//
// ControlLoop: drives an Autoscaler live. It brings it readings (five times a second, and exactly
// when a sampler wants one), worker events and actuator events; carries out its actions; writes
// the run's records; and keeps its memory in <run>/autoscaler.state over a restart.
//
// Nothing in the path from a decision to its effect waits for a timer: actions are carried out in
// the call that decided, events lead to a poll at once.
//
// Threads: the loop's. All it works with is borrowed and must outlive it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/adapters/decision_log.h"
#include "spate/adapters/meter.h"
#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/gateway/control.h"
#include "spate/scaling/actuator.h"
#include "spate/scaling/autoscaler.h"

namespace spate::adapters {

class ControlLoop {
 public:
  struct Options {
    std::filesystem::path run_dir{};
    Duration reading_period = std::chrono::milliseconds(200);  // of CPU and queues, for signals
    Duration look_period = std::chrono::seconds(1);  // the actuator's list, and the series
    std::size_t decisions_kept = 500;                // for the API
  };

  ControlLoop(Clock& clock, gateway::Control& control, scaling::Actuator& actuator, Meter& meter,
              std::unique_ptr<scaling::Autoscaler> autoscaler, Options options);
  ~ControlLoop();
  ControlLoop(const ControlLoop&) = delete;
  ControlLoop& operator=(const ControlLoop&) = delete;

  // Opens the records, restores the memory if there is one, adopts what runs, starts the rest.
  // Fails when the run directory cannot be written.
  Status start();

  // Drains and stops every replica, then calls `done(true)`; `done(false)` when some are left
  // after `at_most`.
  void shut_down(Duration at_most, std::function<void(bool all_gone)> done);

  const scaling::Autoscaler& autoscaler() const;
  // Every model has as many ready replicas, and as many parked ones, as it wants.
  bool all_ready() const;

  // The last line of the series; an empty object before the first.
  const nlohmann::ordered_json& last_series() const;
  const std::vector<ComponentReading>& last_components() const;
  const DecisionLog& log() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace spate::adapters
