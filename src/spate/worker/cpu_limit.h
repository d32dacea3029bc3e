// SPDX-License-Identifier: Apache-2.0
//
// What a worker makes of its CPU limit: how many predictions at once and how many threads in
// each. WorkerCore uses it; cgroup_limit.h reads the limit.
//
// Threads: any; plain values.
#pragma once

#include <optional>
#include <string_view>

namespace spate::worker {

// Throughput: one thread per call, as many calls at once as whole CPUs of the limit. The most
// answers per CPU-second; a call takes as long as on one CPU.
// Latency: one call at a time, its threads follow the CPUs. The quickest single answer.
enum class Mode { Throughput, Latency };

std::string_view to_string(Mode mode);
std::optional<Mode> mode_from(std::string_view text);  // "throughput", "latency"

struct Concurrency {
  int calls = 1;    // predictions at once, at least 1: the worker's credits
  int threads = 1;  // of each call, at least 1

  bool operator==(const Concurrency&) const = default;
};

// `limit` in CPUs, 0 = none; `machine_cpus` >= 1: CPUs that this process may run on. Parts of a
// CPU are rounded down: a further thread would mostly be throttled. Never above machine_cpus.
Concurrency concurrency_for(Mode mode, double limit, int machine_cpus);

// The limit in force, out of what the gateway said and what the worker's own cgroup says.
class CpuLimitSources {
 public:
  explicit CpuLimitSources(double at_start) : announced_(at_start) {}

  void announce(double cpus, bool duty_cycle) {
    announced_ = cpus;
    duty_cycle_ = duty_cycle;
  }
  // Nothing: no cgroup could be read; 0: there is one, without a limit.
  void observe_cgroup(std::optional<double> cpus) { cgroup_ = cpus; }

  // CPUs, 0 = none. A cgroup's limit is a fact and goes before what was announced, whoever
  // changed it; under a duty cycle the smaller of both is in force.
  double cpus() const;
  bool duty_cycle() const { return duty_cycle_; }

 private:
  double announced_;
  bool duty_cycle_ = false;
  std::optional<double> cgroup_;
};

// CPUs that the calling process may run on (its affinity), at least 1.
int usable_cpus();

}  // namespace spate::worker
