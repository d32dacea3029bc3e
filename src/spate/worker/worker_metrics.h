// SPDX-License-Identifier: Apache-2.0
//
// WorkerMetrics: what a worker shows on /metrics; docs/metrics.md lists it. The counts are the
// core's own and are copied when somebody asks, so that they cost nothing otherwise.
//
// Threads: the loop's.
#pragma once

#include <string>

#include "spate/telemetry/metrics.h"
#include "spate/worker/worker_core.h"

namespace spate::worker {

class WorkerMetrics {
 public:
  WorkerMetrics(telemetry::Metrics& metrics, const std::string& model);

  void on_start(const StartPhases& phases);
  // One batch was computed: its items and how long predict() took.
  void on_predicted(std::size_t items, Duration took);
  // Brings everything up to date.
  void update(const WorkerCore& core);

 private:
  telemetry::Metrics& metrics_;
  telemetry::Labels model_;
  telemetry::ProcessMetrics process_;
  telemetry::Counter* items_[4];
  telemetry::Counter& batches_;
  telemetry::Counter& registrations_;
  telemetry::Counter& disconnects_;
  telemetry::Counter& protocol_errors_;
  telemetry::Counter& over_credit_;
  telemetry::Counter& forgotten_;
  telemetry::Counter& duty_pauses_;
  telemetry::Gauge& ready_;
  telemetry::Gauge& queued_;
  telemetry::Gauge& running_;
  telemetry::Gauge& credits_;
  telemetry::Gauge& cpu_limit_;
  telemetry::Gauge& duty_cycle_;
  telemetry::Histogram& predict_seconds_;
  telemetry::Histogram& batch_items_;
};

}  // namespace spate::worker
