// SPDX-License-Identifier: Apache-2.0
//
// run_worker(): a worker process. It gives WorkerCore its connection, timers, signals, cgroup
// and compute threads. `spate worker` calls it.
//
// Threads: the loop runs on the calling thread; the model loads and predicts on others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "spate/base/result.h"
#include "spate/models/model.h"
#include "spate/worker/gateway_link.h"
#include "spate/worker/worker_core.h"

namespace spate::worker {

struct WorkerOptions {
  CoreOptions core;
  GatewayAddress gateway;
  // Loads the model; called once, on a compute thread.
  std::function<Result<std::unique_ptr<models::Model>>(int intra_op_threads)> load;
  Duration exec_to_main{};
  // Absent: no HTTP; 0: a free port, which the log names.
  std::optional<std::uint16_t> metrics_port;
  std::string metrics_host = "127.0.0.1";
  // What those who scrape it call this machine; "" = metrics_host, or for "0.0.0.0" and "::" the
  // address from which it dials.
  std::string metrics_advertise;
  bool handle_signals = true;  // SIGTERM and SIGINT drain; off in tests that run it in a thread
};

// Blocks until the worker ends; returns its exit status (Exit in worker_core.h). Throws
// ConfigError when the metrics port cannot be had. When a compute thread is still busy at the
// end (a load, or a prediction nobody waits for any more) it ends the process by itself.
int run_worker(WorkerOptions options);

}  // namespace spate::worker
