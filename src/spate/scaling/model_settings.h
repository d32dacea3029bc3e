// SPDX-License-Identifier: Apache-2.0
//
// ModelSettings: what an autoscaler is told of a model at the start.
//
// Threads: plain data.
#pragma once

#include <string>

#include "spate/scaling/strategy.h"

namespace spate::scaling {

struct ModelSettings {
  std::string name{};
  std::string model_path{};
  std::string mode = "throughput";
  double slo_latency_s = 1.0;
  double slo_target = 0.95;
  double cpu_request = 0.3;  // CPUs reserved by a replica at `cpu_limit`; follows the limit
  double cpu_limit = 0.3;    // CPUs a replica starts with
  int replicas = 1;          // at the start
  int warm_pool = 0;         // parked replicas at the start
  int max_warm_pool = 0;     // the strategy may ask for no more
  Bounds bounds{};
  bool scaled = true;  // false: the strategy does not see it; replicas and limit stay
};

// Throws ConfigError that names the model when the settings contradict each other.
void check_settings(const ModelSettings& settings);

}  // namespace spate::scaling
