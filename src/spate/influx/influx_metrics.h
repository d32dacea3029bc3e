// SPDX-License-Identifier: Apache-2.0
//
// InfluxMetrics: the load generator's Prometheus series (docs/metrics.md), brought up to date once
// a second from the Verifier. What counts is the measured window, as in influx.summary.json;
// the warm-up counts for nothing.
//
// Threads: update() on the thread of the Verifier; the registry may be read by any other.
#pragma once

#include <array>
#include <vector>

#include "spate/influx/plan.h"
#include "spate/influx/verifier.h"
#include "spate/telemetry/metrics.h"

namespace spate::influx {

class InfluxMetrics {
 public:
  // Borrows both, which must outlive it.
  InfluxMetrics(telemetry::Metrics& metrics, const Plan& plan);

  // `t_s`: seconds from the start of the measured window, negative in the warm-up.
  void update(const Verifier& verifier, double t_s);

 private:
  enum Ending { InTime, Late, Malformed, Rejected, Expired, Lost, Shed, kEndings };
  struct Model {
    std::array<telemetry::Counter*, kEndings> ended{};
    telemetry::Counter* sent = nullptr;
    telemetry::Counter* wrong = nullptr;
    telemetry::Gauge* planned_rate = nullptr;
    telemetry::Gauge* lag = nullptr;
  };

  const Plan& plan_;
  std::vector<Model> models_;  // as in the plan
  telemetry::Gauge& time_;
  telemetry::Gauge& outstanding_;
};

}  // namespace spate::influx
