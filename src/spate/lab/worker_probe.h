// SPDX-License-Identifier: Apache-2.0
//
// WorkerProbe: how long one real worker takes, under its real CPU limit, when it is never idle. It
// starts a worker as the gateway's actuator does, speaks the wire protocol to it in the gateway's
// place and keeps it saturated with samples of the data set.
//
// Threads: the loop's thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/lab/capacity_search.h"
#include "spate/lab/live_loop.h"
#include "spate/wire/messages.h"

namespace spate::lab {

struct ProbeOptions {
  std::filesystem::path program;  // the `spate` binary
  std::filesystem::path folder;   // exists; socket, token, logs and the actuator's files go there
  std::filesystem::path socket;   // short enough for a Unix socket
  std::string model;              // route
  std::filesystem::path model_path;
  std::string mode = "throughput";
  double cpu_limit = 0.3;
  std::string limits = "auto";
  std::vector<int> batches = {1};               // sizes to measure
  std::vector<wire::Item> samples;              // at least one; sent round and round
  int least = 40;                               // services per batch size …
  Duration shortest = std::chrono::seconds(4);  // … over at least so long,
  Duration longest = std::chrono::seconds(15);  // but no longer than this (then fewer services do)
};

struct ProbeResult {
  ServiceTimes service;
  std::uint32_t credits = 1;
  std::string limit_mechanism;
  double ready_ms = 0.0;  // from its start
};

// Blocks, running the loop. Errors: the worker did not start or answer, or was interrupted.
Result<ProbeResult> probe_worker(LiveLoop& loop, const ProbeOptions& options);

}  // namespace spate::lab
