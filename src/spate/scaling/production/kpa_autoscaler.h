// SPDX-License-Identifier: Apache-2.0
//
// The parts of Knative's autoscaler that turn recorded concurrency into a wanted scale: the
// buckets of a second (pkg/autoscaler/aggregation), the delay window (aggregation/max) and Scale
// (pkg/autoscaler/scaling/autoscaler.go), Knative Serving v0.50.0. Internal to production/kpa.
//
// Times are whole seconds where the original truncates them. Threads: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "spate/base/clock.h"
#include "spate/scaling/kit/memory.h"

namespace spate::scaling {

std::int64_t whole_seconds(TimePoint at);

// A ring of sums, one for each second of a window. Memory: a double a second.
class KpaBuckets {
 public:
  KpaBuckets() = default;
  explicit KpaBuckets(std::int64_t window_s) : sums_(static_cast<std::size_t>(window_s), 0.0) {}

  std::int64_t window_s() const { return static_cast<std::int64_t>(sums_.size()); }
  void record(std::int64_t second, double value);
  // Nothing was recorded for longer than the window.
  bool empty(std::int64_t second) const;
  // Over the seconds between the first and the last record in the window; a second without one
  // in between counts as 0, those after the last do not count. 0 after a whole window without.
  double mean(std::int64_t second) const;
  // Exponentially weighted, newest first; seconds after the last record count as 0.
  double weighted_mean(std::int64_t second) const;

  void save(MemoryWriter& out) const;
  static KpaBuckets load(MemoryReader& in);

 private:
  double& at(std::int64_t second) { return sums_[static_cast<std::size_t>(second % window_s())]; }
  double at(std::int64_t second) const {
    return sums_[static_cast<std::size_t>(second % window_s())];
  }
  void advance(std::int64_t second);

  std::vector<double> sums_;
  bool written_ = false;
  std::int64_t first_ = 0;
  std::int64_t last_ = 0;
  double total_ = 0.0;
};

struct KpaSettings {
  double target = 70.0;  // concurrency that a replica is aimed at
  double total = 100.0;  // that it can take
  double up_rate = 1000.0;
  double down_rate = 2.0;
  double panic_ratio = 2.0;
  double burst_capacity = 211.0;  // -1: the activator is always in the path
  std::int64_t stable_s = 60;
  std::int64_t panic_s = 6;
  std::int64_t scale_down_delay_s = 0;
  int activation_scale = 1;
  int initial_scale = -1;  // -1: the replicas that the model starts with
  bool reachable = true;   // some route leads to it
  bool weighted = false;
};

// What one call of Scale found.
struct KpaScale {
  int wanted = 0;
  double burst_excess = 0.0;
  double stable = 0.0;
  double panic = 0.0;
};

// The collected metric and the state of the autoscaler of one revision.
class KpaAutoscaler {
 public:
  KpaAutoscaler() = default;
  // Begins in panic mode with more than one replica ready, so that a new autoscaler without
  // history takes none away.
  KpaAutoscaler(const KpaSettings& settings, TimePoint now, int ready);

  bool fits(const KpaSettings& settings) const {
    return stable_.window_s() == settings.stable_s && panic_.window_s() == settings.panic_s;
  }
  void record(TimePoint at, double concurrency);
  // Nothing when there are no data to scale on.
  std::optional<KpaScale> scale(const KpaSettings& settings, TimePoint now, int ready);
  bool panicking() const { return panic_since_.has_value(); }

  void save(MemoryWriter& out) const;
  static KpaAutoscaler load(MemoryReader& in);

 private:
  int with_panic(const KpaSettings& settings, TimePoint now, int stable, int panic, bool over);
  int delayed(const KpaSettings& settings, TimePoint now, int wanted);

  KpaBuckets stable_;
  KpaBuckets panic_;
  std::optional<TimePoint> panic_since_;
  int max_panic_ = 0;
  // Index of two seconds, wanted; falling, oldest first.
  std::deque<std::pair<std::int64_t, int>> delay_;
};

}  // namespace spate::scaling
