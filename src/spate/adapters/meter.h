// SPDX-License-Identifier: Apache-2.0
//
// Meter: what the components consume. ResourceMonitor reads it from the machine; a test, or an
// engine of its own kind, says it. Totals go out; differences are the caller's.
//
// Threads: the loop's; calls return at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spate/scaling/actuator.h"
#include "spate/scaling/sampler.h"

namespace spate::adapters {

struct ComponentReading {
  std::string component{};          // gateway | broker | influx | worker
  std::string model{};              // workers only
  std::string replica{};            // workers only
  double cpu_seconds = 0.0;         // total since it started
  std::uint64_t memory_bytes = 0;   // resident
  std::uint64_t private_bytes = 0;  // resident and not shared with a file
  std::uint64_t cfs_periods = 0;
  std::uint64_t cfs_throttled_periods = 0;
  // Pressure stall: time in which something of it wanted a CPU (memory) and had to wait. Where the
  // kernel tells it: control groups of version 2.
  std::optional<double> cpu_stalled_s{};
  std::optional<double> memory_stalled_s{};
};

class Meter {
 public:
  virtual ~Meter() = default;

  // CPU total and throttling of one worker; nothing when it is gone.
  virtual std::optional<scaling::RawReplica> read_worker_cpu(
      const scaling::ReplicaInfo& worker) const = 0;
  // Everything that runs now: the gateway, what surrounds it, and these workers.
  virtual std::vector<ComponentReading> read_all(
      const std::vector<scaling::ReplicaInfo>& workers) = 0;
};

}  // namespace spate::adapters
