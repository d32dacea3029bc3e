// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/cpu_limit.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "spate/base/check.h"

namespace spate::worker {

std::string_view to_string(Mode mode) {
  return mode == Mode::Throughput ? "throughput" : "latency";
}

std::optional<Mode> mode_from(std::string_view text) {
  if (text == "throughput") return Mode::Throughput;
  if (text == "latency") return Mode::Latency;
  return std::nullopt;
}

Concurrency concurrency_for(Mode mode, double limit, int machine_cpus) {
  SPATE_CHECK(machine_cpus >= 1, "a process runs on at least one CPU");
  // A quota is whole microseconds, so 2 CPUs may read as 1.99999.
  const double whole = std::floor(limit + 1e-4);
  const int cpus =
      limit <= 0.0 || whole >= machine_cpus ? machine_cpus : std::max(1, static_cast<int>(whole));
  return mode == Mode::Throughput ? Concurrency{.calls = cpus, .threads = 1}
                                  : Concurrency{.calls = 1, .threads = cpus};
}

double CpuLimitSources::cpus() const {
  const double cgroup = cgroup_.value_or(0.0);
  if (cgroup <= 0.0) return announced_;
  if (duty_cycle_ && announced_ > 0.0) return std::min(announced_, cgroup);
  return cgroup;
}

int usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace spate::worker
