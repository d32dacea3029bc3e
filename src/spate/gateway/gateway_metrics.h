// SPDX-License-Identifier: Apache-2.0
//
// GatewayMetrics: the gateway's Prometheus series that come from serving requests. `spate gateway`
// makes one, gives on_end() to Server::set_end_handler() and calls update() once a second;
// what scaling knows (replicas wanted, CPU limits, components, decisions) is added elsewhere.
//
// Threads: the loop's.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "spate/gateway/server.h"
#include "spate/telemetry/metrics.h"

namespace spate::gateway {

class GatewayMetrics {
 public:
  // Borrows both, which must outlive it.
  GatewayMetrics(telemetry::Metrics& metrics, const Server& server);

  // One request has ended.
  void on_end(std::string_view model, Outcome outcome, Duration latency);
  // Brings gauges and totals up to date with the server's.
  void update();

 private:
  struct Model {
    std::array<telemetry::Counter*, kOutcomes> requests{};
    telemetry::Histogram* latency = nullptr;
    telemetry::Counter* good = nullptr;  // answered within the objective's latency
    Duration slo_latency{};
    telemetry::Counter* redispatched = nullptr;
    telemetry::Counter* service_seconds = nullptr;
    telemetry::Gauge* queue_length = nullptr;
    telemetry::Gauge* queue_bytes = nullptr;
    telemetry::Gauge* oldest_age = nullptr;
    telemetry::Gauge* in_flight = nullptr;
  };

  const Server& server_;
  std::map<std::string, Model, std::less<>> models_;
  telemetry::Counter& unknown_model_;
  telemetry::Counter& single_topic_;
  telemetry::Counter& single_topic_bad_;
  telemetry::Counter& clock_disagreements_;
  telemetry::Counter& late_answers_;
  telemetry::Counter& results_refused_;
  telemetry::Counter& results_dropped_;
  telemetry::Counter& workers_refused_;
  telemetry::Counter& broker_disconnects_;
  telemetry::Counter& messages_in_;
  telemetry::Counter& messages_out_;
};

}  // namespace spate::gateway
