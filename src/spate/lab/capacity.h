// SPDX-License-Identifier: Apache-2.0
//
// Capacity: what one replica of a model serves within its objective, in requests per second:
// measured once per model version, data set, CPU limit, batch, mode and machine, and kept in a
// cache folder. docs/decisions/0004 has the method and why.
//
// Threads: the loop's thread.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/lab/canary.h"
#include "spate/lab/live_loop.h"
#include "spate/lab/machine.h"
#include "spate/lab/scenario.h"

namespace spate::lab {

struct CapacityOptions {
  std::filesystem::path program;                 // the `spate` binary
  std::filesystem::path cache = "var/capacity";  // one JSON file per measurement
  std::filesystem::path work;                    // working folder, removed afterwards
  std::string limits = "auto";
  bool remeasure = false;
  // Read before and after: was the machine all there? Blocks, see canary.h.
  std::function<CanaryReading()> canary = read_canary;
};

struct Capacity {
  double per_s = 0.0;
  nlohmann::json record;  // what the run keeps: rate, interval, distribution, method, when
  bool from_cache = false;
  // Why the machine was not all there while it was measured; such a measurement is not cached.
  std::vector<std::string> disturbances;
};

// Blocks for about 5 to 15 s a batch size when it measures.
Result<Capacity> capacity_of(LiveLoop& loop, const ModelScenario& model, const Machine& machine,
                             const CapacityOptions& options);

// What a cached measurement must agree in to be used again.
nlohmann::json capacity_key(const ModelScenario& model, const std::string& model_version,
                            const Machine& machine, const std::string& limits);

}  // namespace spate::lab
