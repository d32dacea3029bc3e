// SPDX-License-Identifier: Apache-2.0
//
// Canary: how much of the machine was there. Before and after each run a fixed loop of arithmetic
// is timed and the kernel's counters are read; what they say of the time between is the run's
// disturbance:
//
//   stolen     share of the machine's CPU time that the hypervisor gave to others
//   foreign    CPUs that processes outside of the experiment used
//   throttled  share of periods in which our own cgroup was throttled
//   speed      the loop's speed after the run over its speed before
//
// A disturbed run says so; it is not thrown away for it.
//
// Threads: blocks the calling thread for about 0.2 s.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace spate::lab {

struct CanaryReading {
  double loop_wall_s = 0.0;  // of the fixed loop
  double loop_cpu_s = 0.0;
  // From /proc/stat, seconds of CPU time since boot, over all CPUs.
  double busy_s = 0.0;
  double steal_s = 0.0;
  double total_s = 0.0;
  double own_cpu_s = 0.0;  // of this process and its ended descendants
  // From our own cgroup's cpu.stat; zeros where it has none.
  double periods = 0.0;
  double throttled_periods = 0.0;
};

CanaryReading read_canary();

struct Disturbance {
  double steal_ratio = 0.0;
  double foreign_cpus = 0.0;
  double throttled_ratio = 0.0;
  double speed_ratio = 1.0;
  double cpu_share_before = 1.0;  // of the loop: CPU time over wall time
  double cpu_share_after = 1.0;
  bool disturbed = false;
  std::vector<std::string> reasons;
};

// Thresholds: 2 % stolen, a tenth of the cores (at least 0.2 CPU) foreign, 1 % throttled, 15 %
// slower or faster, a loop that got less than 90 % of a CPU.
Disturbance judge_canary(const CanaryReading& before, const CanaryReading& after, double cores);

nlohmann::json canary_json(const CanaryReading& before, const CanaryReading& after,
                           const Disturbance& disturbance);

}  // namespace spate::lab
