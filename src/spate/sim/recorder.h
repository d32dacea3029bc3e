// SPDX-License-Identifier: Apache-2.0
//
// Recorder: what became of one model's requests, per second of their intended send, in memory that
// does not grow with the run. A second stays open for a while and then goes into a bin; when
// there are too many bins, neighbours are joined, so that a long run has a coarser series.
//
// Threads: one at a time. No allocation per request once the histograms have grown.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "spate/base/histogram.h"
#include "spate/gateway/control.h"

namespace spate::sim {

using gateway::Outcome;

struct Tally {
  std::uint64_t planned = 0;
  std::uint64_t in_time = 0;
  std::array<std::uint64_t, gateway::kOutcomes> ended{};

  Tally& operator+=(const Tally& other);
  std::uint64_t answered() const { return ended[static_cast<std::size_t>(Outcome::Answered)]; }
  std::uint64_t lost() const;  // planned and not ended
};

// The gateway's and the autoscaler's view at the end of a bin; means over it where said.
struct Gauges {
  double queue = 0.0;
  double in_flight = 0.0;
  double oldest_ms = 0.0;
  double wanted = 0.0;
  double ready = 0.0;
  double starting = 0.0;
  double draining = 0.0;
  double parked = 0.0;
  double cpu_limit = 0.0;     // wanted, per replica
  double cpu_reserved = 0.0;  // CPUs over all replicas
  double cpu_cores = 0.0;     // used by the workers; mean
  double memory_bytes = 0.0;
};

struct Bin {
  Tally tally;
  // Of the answers, by intended send. In joined bins: the mean of the seconds' medians weighted
  // by their answers, and the largest of their 99 % quantiles.
  double p50_ms = 0.0;
  double p99_ms = 0.0;
  Gauges gauges;
};

// The latencies of one second, for its median and 99 % quantile: log-linear buckets like
// Histogram's, but 32 to a power of two (a quantile is within 1.6 %), of fixed size.
class SecondLatency {
 public:
  void record(Duration value, std::uint32_t count = 1) {
    constexpr std::int64_t kMost = (std::int64_t{1} << kLargestBit) - 1;
    constexpr std::uint64_t kSub = std::uint64_t{1} << kSubBits;
    const auto ns = static_cast<std::uint64_t>(std::clamp<std::int64_t>(value.count(), 0, kMost));
    std::size_t index = static_cast<std::size_t>(ns);
    if (ns >= kSub) {
      const int shift = std::bit_width(ns) - 1 - kSubBits;
      index = (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(ns >> shift);
    }
    buckets_[index] += count;
    used_ = std::max(used_, index + 1);
    count_ += count;
  }
  std::uint64_t count() const { return count_; }
  double quantile_ms(double q) const;  // the middle of its bucket; 0 when empty
  void reset();

 private:
  static constexpr int kSubBits = 5;
  static constexpr int kLargestBit = 42;  // about 1.2 hours; longer ones count there
  static double middle_ns(std::size_t index);

  std::array<std::uint32_t, ((kLargestBit - kSubBits) + 1) << kSubBits> buckets_{};
  std::size_t used_ = 0;  // buckets from here on are empty
  std::uint64_t count_ = 0;
};

class Recorder {
 public:
  static constexpr std::uint32_t kWarmUp = 0xffffffffU;  // second of requests that do not count

  Recorder(Duration slo_latency, std::uint32_t seconds, std::size_t most_bins);

  void planned(std::uint32_t second) {
    if (second != kWarmUp) ++open(second).tally.planned;
  }
  void ended(std::uint32_t second, Outcome outcome, Duration latency) {
    if (second == kWarmUp) return;
    const bool answered = outcome == Outcome::Answered;
    if (second + kOpen <= now_second_) {
      ended_late(second, outcome, latency, 1);
      return;
    }
    Open& at = open(second);
    ++at.tally.ended[static_cast<std::size_t>(outcome)];
    if (!answered) return;
    at.tally.in_time += latency <= slo_ ? 1 : 0;
    at.latency.record(latency);
    latency_.record(latency);
  }
  // The same for many at once (the fluid mode), fewer than 2^32.
  void planned_many(std::uint32_t second, std::uint64_t count) {
    if (second != kWarmUp) open(second).tally.planned += count;
  }
  void ended_many(std::uint32_t second, Outcome outcome, Duration latency, std::uint64_t count);
  // Second `second` of the measured window begins; the ones before it may be closed.
  void begin_second(std::uint32_t second);
  // At the end of `second`.
  void gauges(std::uint32_t second, const Gauges& gauges);
  void finish();  // closes all

  const Tally& total() const { return total_; }
  const Histogram& latency() const { return latency_; }
  const std::vector<Bin>& bins() const { return bins_; }
  double bin_s() const { return static_cast<double>(std::uint64_t{1} << shift_); }

 private:
  static constexpr std::uint32_t kOpen = 64;  // seconds kept open; a power of two
  struct Open {
    Tally tally;
    SecondLatency latency;
    std::uint32_t second = kWarmUp;
  };

  Open& open(std::uint32_t second) { return open_[second & (kOpen - 1)]; }
  void close(Open& at);
  void ended_late(std::uint32_t second, Outcome outcome, Duration latency, std::uint64_t count);
  Bin& bin(std::uint32_t second) { return bins_[second >> shift_]; }

  Duration slo_;
  std::uint32_t now_second_ = 0;
  std::vector<Open> open_ = std::vector<Open>(kOpen);
  std::vector<Bin> bins_;
  int shift_ = 0;
  Tally total_;
  Histogram latency_;
};

}  // namespace spate::sim
