// SPDX-License-Identifier: Apache-2.0
//
// Histogram: latencies in log-linear buckets, as HdrHistogram keeps them: exact to a stated
// relative width over the whole range, mergeable, of constant size.
//
// Values are Durations from 0 up. Each power of two is cut into 128 equal buckets, so a
// reported quantile is at most 1/128 = 0.8 % above the true one. Below 128 ns it is exact.
// Values above `kMax` (about 1.2 hours) are counted in the last bucket and in overflow().
//
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "spate/base/clock.h"

namespace spate {

class Histogram {
 public:
  static constexpr int kSubBits = 7;
  static constexpr Duration kMax{(std::int64_t{1} << 42) - 1};

  void record(Duration value, std::uint64_t count = 1) {
    if (count == 0) return;
    const Duration positive = std::max(value, Duration{0});
    const Duration kept = std::min(positive, kMax);
    if (positive > kMax) overflow_ += count;
    const std::size_t index = index_of(kept.count());
    if (index >= buckets_.size()) buckets_.resize(index + 1);
    buckets_[index] += count;
    count_ += count;
    min_ = std::min(min_, positive);
    max_ = std::max(max_, positive);
    sum_ns_ += static_cast<double>(positive.count()) * static_cast<double>(count);
  }
  void merge(const Histogram& other);
  // What was recorded since `earlier`, an earlier copy of this histogram. Its min() and max()
  // are bucket ends. Values that `earlier` has and this one lacks count as none.
  Histogram since(const Histogram& earlier) const;
  void clear();

  std::uint64_t count() const { return count_; }
  std::uint64_t overflow() const { return overflow_; }
  // Smallest and largest recorded value, exact. 0 when empty.
  Duration min() const { return count_ ? min_ : Duration{0}; }
  Duration max() const { return max_; }
  double mean_s() const;  // exact; 0 when empty

  // The smallest bucket's upper end that at least ceil(q * count) values do not exceed, never
  // above max(); 0 when empty. Requires 0 <= q <= 1.
  Duration quantile(double q) const;

  // How many values were at most `value`, to the bucket's width.
  std::uint64_t count_at_most(Duration value) const;

  // {"count":…, "overflow":…, "min_ns":…, "max_ns":…, "sum_ns":…, "buckets":[[index,count],…]}
  // The index of a value is documented in docs/run-directory.md.
  nlohmann::json to_json() const;
  static Histogram from_json(const nlohmann::json& json);  // throws ConfigError

 private:
  static std::size_t index_of(std::int64_t ns) {
    const auto v = static_cast<std::uint64_t>(ns);
    constexpr std::uint64_t kSub = std::uint64_t{1} << kSubBits;
    if (v < kSub) return static_cast<std::size_t>(v);
    const int shift = std::bit_width(v) - 1 - kSubBits;  // v >> shift is in [kSub, 2 kSub)
    return static_cast<std::size_t>((static_cast<std::uint64_t>(shift) << kSubBits) + (v >> shift));
  }
  static std::int64_t upper_end(std::size_t index);

  std::vector<std::uint64_t> buckets_;  // grown to the largest index used
  std::uint64_t count_ = 0;
  std::uint64_t overflow_ = 0;
  Duration min_ = Duration::max();
  Duration max_{0};
  double sum_ns_ = 0.0;
};

}  // namespace spate
