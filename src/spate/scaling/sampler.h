// SPDX-License-Identifier: Apache-2.0
//
// Sampler: turns raw readings of the world into what one strategy's metrics would have shown.
//
// Raw readings (totals and gauges at one instant) may come at any times, as often as the host
// likes; each MetricSpec takes a reading of its own on a grid of its `period` from the start.
// A reading of a rate is the difference of totals over the time between two of them, so it
// does not depend on how often the host reads. Every reading is kept as a numerator and a
// denominator:
//
//   CpuUsage        CPU seconds / seconds           ArrivalRate    requests / seconds
//   CpuOverLimit    CPU seconds / (limit x seconds) ServiceTime    service seconds / answers
//   CpuOverRequest  CPU seconds / (request x seconds)
//   Throttled       throttled periods / periods     gauges         value / 1
//
// and a window's Mean is (sum of numerators) / (sum of denominators): exact when readings are
// unevenly spaced or a limit changed inside the window. Time without a limit (start-up boost)
// does not count for CpuOverLimit.
//
// Used by the Autoscaler, live and simulated. Threads: one at a time. Memory: bounded by
// window + delay + history over period, for each spec, model and replica.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/histogram.h"
#include "spate/scaling/signal.h"

namespace spate::scaling {

// One replica at one instant. Totals count since the replica started.
struct RawReplica {
  std::string id;
  double cpu_seconds = 0.0;  // consumed in total
  double cpu_limit = 0.0;    // CPUs in force now; 0 = none
  double cpu_request = 0.0;  // CPUs
  std::uint64_t cfs_periods = 0;
  std::uint64_t cfs_throttled_periods = 0;
  int in_flight = 0;
};

// One model at one instant. Totals count since the gateway started.
struct RawModel {
  std::uint64_t arrived = 0;
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;  // ended in any other way than answered
  double queue_length = 0.0;
  double in_flight = 0.0;
  double oldest_age_s = 0.0;
  double service_sum_s = 0.0;
  const Histogram* latency = nullptr;  // of all answers so far; borrowed for the call
  std::vector<RawReplica> replicas;    // those whose readings could be had
};

class Sampler {
 public:
  // The grids of all specs begin at `start`.
  Sampler(std::vector<MetricSpec> specs, std::vector<std::string> models, TimePoint start);
  ~Sampler();
  Sampler(Sampler&&) noexcept;
  Sampler& operator=(Sampler&&) noexcept;

  // Takes in what was read at `at`, which must not be before an earlier call's for this model
  // (such a reading is ignored). Values that are not finite, negative or run backwards
  // (a counter that was reset) are left out, for that replica and signal alone.
  void read(TimePoint at, std::string_view model, const RawModel& raw);

  // The replica is gone: its readings are dropped.
  void forget(std::string_view model, std::string_view replica);

  // What metric number `metric` of the specs shows at `now`.
  MetricView view(std::string_view model, std::size_t metric, TimePoint now) const;

  // When some spec wants its next reading of `model`. A host that reads then (and at least a
  // few times a period in between, for gauges with period_mean) gives exact grids.
  TimePoint next_due(std::string_view model) const;

  const std::vector<MetricSpec>& specs() const;
  // Readings held now, over all specs, models and replicas (the memory test looks).
  std::size_t readings_held() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spate::scaling
