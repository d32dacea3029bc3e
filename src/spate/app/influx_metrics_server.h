// SPDX-License-Identifier: Apache-2.0
//
// InfluxMetricsServer: /metrics of `spate influx`, on a loop and thread of its own: a scrape must
// not delay a request. Threads: constructor, update() and destructor on the generator's thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>
#include <thread>

#include "spate/influx/influx_metrics.h"
#include "spate/influx/plan.h"
#include "spate/influx/verifier.h"
#include "spate/telemetry/http_server.h"
#include "spate/telemetry/metrics.h"

namespace spate::app {

class InfluxMetricsServer {
 public:
  // Serves on plan.metrics (which must be set) and, when the plan has a run directory, notes the
  // address in <run_dir>/components/influx.metrics, where the gateway's service discovery looks.
  // Borrows `plan`. Throws ConfigError when the port cannot be had.
  explicit InfluxMetricsServer(const influx::Plan& plan);
  // Takes the note back and stops serving.
  ~InfluxMetricsServer();

  // `t_s` as in influx::InfluxMetrics.
  void update(const influx::Verifier& verifier, double t_s) { influx_.update(verifier, t_s); }

 private:
  void note_address();

  const influx::Plan& plan_;
  std::filesystem::path note_;
  telemetry::Metrics registry_;
  influx::InfluxMetrics influx_;
  telemetry::ProcessMetrics process_;
  boost::asio::io_context loop_{1};
  std::unique_ptr<telemetry::HttpServer> http_;
  std::thread thread_;
};

}  // namespace spate::app
