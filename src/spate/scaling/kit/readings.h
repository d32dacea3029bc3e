// SPDX-License-Identifier: Apache-2.0
//
// Readings: which metric values a strategy may act on, and small memories that several
// strategies share. Internal to scaling/.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spate/scaling/kit/memory.h"
#include "spate/scaling/strategy.h"

namespace spate::scaling {

// Anything above is not a rate, a length or a time that a real system shows.
inline constexpr double kAbsurd = 1e9;
// No strategy asks for more; the scenario's bounds are far below.
inline constexpr int kMostAsked = 1'000'000;

// The metric's value when it is there, finite, from 0 to kAbsurd and taken at most two sampling
// periods (and the metric's own delay) ago; else nothing, and `why` says what is wrong with it.
std::optional<double> usable(TimePoint now, const MetricView& metric, const MetricSpec& spec,
                             std::string& why);

// ceil(value), from 0 to kMostAsked; a hair above a whole number (1e-9 of it) counts as that
// number, so that 0.3 / 0.1 asks for 3 and not 4. Requires a number.
int ceil_replicas(double value);

int count_ready(const ModelView& model);
int count_starting(const ModelView& model);

// How long a replica takes from the decision until it is ready: the longest of the last three
// starts seen, `otherwise` before the first.
double start_up_s(const ModelView& model, double otherwise);

// The mean CPU over the ready replicas' fresh readings times their number, i.e. CPUs that the
// ready replicas use together; nothing when one of them has no usable reading.
std::optional<double> ready_cpus(TimePoint now, const ModelView& model, const MetricView& cpu,
                                 const MetricSpec& spec, std::string& why);

// The largest of what was asked in the last `span`: scaling in is confirmed by that much time,
// scaling out is at once. Holds only values that can still become the largest.
class PeakHold {
 public:
  int push(TimePoint now, int asked, Duration span);
  void save(MemoryWriter& out) const;
  static PeakHold load(MemoryReader& in);

 private:
  std::vector<std::pair<TimePoint, int>> kept_;  // falling, oldest first
};

// CPU-seconds that a request costs a worker, learned from the CPU time of ready replicas over the
// answers: "useful time" per request as DS2 (Kalavri et al., OSDI 2018) defines a true rate,
// which neither waiting nor saturation falsifies, as a latency or a service time would be.
// Learned only while nothing starts, drains or became ready within the window; exponentially
// weighted over ticks. Two metrics: specs() gives them in order.
class RequestCost {
 public:
  static std::vector<MetricSpec> specs(Duration period, Duration window);

  // `cpu` and `answers` are the metrics of specs(). Leaves the estimate as it was when they
  // cannot be used or fewer than 5 requests were answered in the window.
  void observe(TimePoint now, const ModelView& model, const MetricView& cpu,
               const MetricView& answers, const std::vector<MetricSpec>& specs);
  // CPU-seconds per request; 0 = not known yet.
  double cpu_s() const { return cpu_s_; }
  // Requests per second that one replica of `cpu_limit` CPUs can serve at most; 0 = not known.
  double rate_per_s(double cpu_limit) const;

  void save(MemoryWriter& out) const;
  static RequestCost load(MemoryReader& in);

 private:
  double cpu_s_ = 0.0;
};

// CPUs that a replica can turn into answers in mode `throughput`, one thread a call: a limit below
// 1 slows its one call down, above 1 only whole CPUs count.
double useful_cpus(double cpu_limit);
// Calls that it runs at once.
int calls_at_once(double cpu_limit);

}  // namespace spate::scaling
