// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/recorder.h"

#include <algorithm>
#include <cmath>

namespace spate::sim {

Tally& Tally::operator+=(const Tally& other) {
  planned += other.planned;
  in_time += other.in_time;
  for (std::size_t i = 0; i < ended.size(); ++i) ended[i] += other.ended[i];
  return *this;
}

std::uint64_t Tally::lost() const {
  std::uint64_t known = 0;
  for (const auto count : ended) known += count;
  return planned - known;
}

double SecondLatency::middle_ns(std::size_t index) {
  constexpr std::size_t kSub = std::size_t{1} << kSubBits;
  if (index < kSub) return static_cast<double>(index);
  const int shift = static_cast<int>(index >> kSubBits) - 1;
  const auto mantissa = static_cast<double>(index - (static_cast<std::size_t>(shift) << kSubBits));
  return std::ldexp(mantissa + 0.5, shift);
}

double SecondLatency::quantile_ms(double q) const {
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < used_; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return middle_ns(i) * 1e-6;
  }
  return 0.0;
}

void SecondLatency::reset() {
  std::fill(buckets_.begin(), buckets_.begin() + static_cast<std::ptrdiff_t>(used_), 0U);
  used_ = 0;
  count_ = 0;
}

Recorder::Recorder(Duration slo_latency, std::uint32_t seconds, std::size_t most_bins)
    : slo_(slo_latency) {
  while (seconds > 0 && ((seconds - 1) >> shift_) + 1 > most_bins) ++shift_;
  bins_.resize(seconds == 0 ? 0 : ((seconds - 1) >> shift_) + 1);
  for (std::uint32_t s = 0; s < std::min(seconds, kOpen); ++s) open(s).second = s;
}

void Recorder::begin_second(std::uint32_t second) {
  now_second_ = std::max(now_second_, second);
  Open& at = open(second);
  if (at.second == second || (at.second != kWarmUp && at.second > second)) return;
  if (at.second != kWarmUp) close(at);
  at.second = second;
}

void Recorder::close(Open& at) {
  total_ += at.tally;
  if (at.second >> shift_ < bins_.size()) {
    Bin& to = bin(at.second);
    if (at.latency.count() > 0) {
      const auto before = static_cast<double>(to.tally.answered());
      const auto more = static_cast<double>(at.latency.count());
      to.p50_ms = (to.p50_ms * before + at.latency.quantile_ms(0.5) * more) / (before + more);
      to.p99_ms = std::max(to.p99_ms, at.latency.quantile_ms(0.99));
    }
    to.tally += at.tally;
  }
  at.tally = {};
  at.latency.reset();
}

void Recorder::ended_many(std::uint32_t second, Outcome outcome, Duration latency,
                          std::uint64_t count) {
  if (second == kWarmUp) return;
  if (second + kOpen <= now_second_) {
    ended_late(second, outcome, latency, count);
    return;
  }
  Open& at = open(second);
  at.tally.ended[static_cast<std::size_t>(outcome)] += count;
  if (outcome != Outcome::Answered) return;
  at.tally.in_time += latency <= slo_ ? count : 0;
  at.latency.record(latency, static_cast<std::uint32_t>(count));
  latency_.record(latency, count);
}

void Recorder::ended_late(std::uint32_t second, Outcome outcome, Duration latency,
                          std::uint64_t count) {
  Tally one;
  one.ended[static_cast<std::size_t>(outcome)] = count;
  if (outcome == Outcome::Answered) {
    one.in_time = latency <= slo_ ? count : 0;
    latency_.record(latency, count);
  }
  total_ += one;
  if (second >> shift_ < bins_.size()) bin(second).tally += one;
}

void Recorder::gauges(std::uint32_t second, const Gauges& gauges) {
  if (second >> shift_ >= bins_.size()) return;
  Gauges& to = bin(second).gauges;
  const auto place = static_cast<double>((second & ((std::uint32_t{1} << shift_) - 1)) + 1);
  const double cpu = to.cpu_cores + (gauges.cpu_cores - to.cpu_cores) / place;
  const double reserved = to.cpu_reserved + (gauges.cpu_reserved - to.cpu_reserved) / place;
  const double memory = to.memory_bytes + (gauges.memory_bytes - to.memory_bytes) / place;
  to = gauges;
  to.cpu_cores = cpu;
  to.cpu_reserved = reserved;
  to.memory_bytes = memory;
}

void Recorder::finish() {
  // In order of time, as the medians' weights are.
  std::vector<Open*> left;
  for (auto& at : open_) {
    if (at.second != kWarmUp) left.push_back(&at);
  }
  std::sort(left.begin(), left.end(),
            [](const Open* a, const Open* b) { return a->second < b->second; });
  for (Open* at : left) {
    close(*at);
    at->second = kWarmUp;
  }
}

}  // namespace spate::sim
