// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/kpa_autoscaler.h"

#include <algorithm>
#include <cmath>

namespace spate::scaling {
namespace {

constexpr std::int64_t kTickS = 2;  // granularity of the delay window
constexpr double kMost = 1e6;
constexpr std::int64_t kLongestWindowS = 86'400;

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

}  // namespace

std::int64_t whole_seconds(TimePoint at) {
  return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

void KpaBuckets::advance(std::int64_t second) {
  if (!written_ || second - last_ >= window_s()) {
    first_ = second;
    std::fill(sums_.begin(), sums_.end(), 0.0);
    total_ = 0.0;
  } else {
    for (std::int64_t i = last_ + 1; i <= second; ++i) {
      total_ -= at(i);
      at(i) = 0.0;
    }
  }
  last_ = second;
  written_ = true;
}

void KpaBuckets::record(std::int64_t second, double value) {
  if (!written_ || second != last_) {
    if (written_ && second + window_s() <= last_) return;  // a window ago
    if (written_ && first_ > second) first_ = second;
    if (!written_ || second > last_) advance(second);
  }
  at(second) += value;
  total_ += value;
}

bool KpaBuckets::empty(std::int64_t second) const {
  return !written_ || second - last_ > window_s();
}

double KpaBuckets::mean(std::int64_t second) const {
  if (!written_ || second - last_ >= window_s()) return 0.0;
  double total = total_;
  for (std::int64_t i = last_ + 1; i <= second; ++i) total -= at(i);
  const std::int64_t stale = std::max<std::int64_t>(0, second - last_);
  return rounded(total / static_cast<double>(std::min(last_ - first_ + 1, window_s() - stale)));
}

double KpaBuckets::weighted_mean(std::int64_t second) const {
  if (empty(second)) return 0.0;
  const double decay = std::max(1.0 - std::pow(0.0001, 1.0 / static_cast<double>(window_s())), 0.2);
  double weight = decay;
  std::int64_t count = window_s();
  if (second > last_) {
    weight *= std::pow(1.0 - decay, static_cast<double>(second - last_));
    count -= second - last_;
  }
  double out = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    out += at(last_ + window_s() - i) * weight;
    weight *= 1.0 - decay;
  }
  return out;
}

void KpaBuckets::save(MemoryWriter& out) const {
  out.put(window_s());
  for (const double sum : sums_) out.put(sum);
  out.put(std::int64_t{written_});
  out.put(first_);
  out.put(last_);
  out.put(total_);
}

KpaBuckets KpaBuckets::load(MemoryReader& in) {
  KpaBuckets out(in.integer(0, kLongestWindowS));
  for (double& sum : out.sums_) sum = in.number();
  out.written_ = in.integer(0, 1) == 1;
  out.first_ = in.integer();
  out.last_ = in.integer();
  out.total_ = in.number();
  return out;
}

KpaAutoscaler::KpaAutoscaler(const KpaSettings& settings, TimePoint now, int ready)
    : stable_(settings.stable_s), panic_(settings.panic_s), max_panic_(ready) {
  if (ready > 1) panic_since_ = now;
}

void KpaAutoscaler::record(TimePoint at, double concurrency) {
  stable_.record(whole_seconds(at), concurrency);
  panic_.record(whole_seconds(at), concurrency);
}

std::optional<KpaScale> KpaAutoscaler::scale(const KpaSettings& settings, TimePoint now,
                                             int ready) {
  const std::int64_t second = whole_seconds(now);
  // With the activator always in the path nothing is scraped, and silence means no request.
  if (stable_.empty(second) && settings.burst_capacity != -1.0) return std::nullopt;
  KpaScale out;
  out.stable = settings.weighted ? stable_.weighted_mean(second) : stable_.mean(second);
  out.panic = settings.weighted ? panic_.weighted_mean(second) : panic_.mean(second);
  const double current = std::max(1, ready);
  const double most = std::min(std::ceil(settings.up_rate * current), kMost);
  const double least = settings.reachable ? std::floor(current / settings.down_rate) : 0.0;
  const double for_stable = std::ceil(out.stable / settings.target);
  const double for_panic = std::ceil(out.panic / settings.target);
  int stable = static_cast<int>(std::min(std::max(for_stable, least), most));
  int panic = static_cast<int>(std::min(std::max(for_panic, least), most));
  if (settings.activation_scale > 1) {
    if (for_stable > 0.0) stable = std::max(stable, settings.activation_scale);
    if (for_panic > 0.0) panic = std::max(panic, settings.activation_scale);
  }
  // The panic threshold is tested before the rates limit anything.
  const bool over = for_panic / current >= settings.panic_ratio;
  out.wanted = delayed(settings, now, with_panic(settings, now, stable, panic, over));
  out.burst_excess = -1.0;
  if (settings.burst_capacity == 0.0) out.burst_excess = 0.0;
  if (settings.burst_capacity > 0.0) {
    out.burst_excess = std::floor(ready * settings.total - settings.burst_capacity - out.panic);
  }
  return out;
}

int KpaAutoscaler::with_panic(const KpaSettings& settings, TimePoint now, int stable, int panic,
                              bool over) {
  if (over) {
    panic_since_ = now;
  } else if (panic_since_ && *panic_since_ + std::chrono::seconds(settings.stable_s) < now) {
    panic_since_.reset();
    max_panic_ = 0;
  }
  if (!panic_since_) return stable;
  max_panic_ = std::max({max_panic_, stable, panic});
  return max_panic_;
}

int KpaAutoscaler::delayed(const KpaSettings& settings, TimePoint now, int wanted) {
  if (settings.scale_down_delay_s == 0 || !settings.reachable) return wanted;
  const std::int64_t size = (settings.scale_down_delay_s + kTickS - 1) / kTickS;
  const std::int64_t index = whole_seconds(now) / kTickS;
  while (!delay_.empty() && wanted >= delay_.back().second) delay_.pop_back();
  while (!delay_.empty() && index - delay_.front().first >= size) delay_.pop_front();
  // Of several in the same two seconds the largest stays.
  if (delay_.empty() || delay_.back().first != index) delay_.emplace_back(index, wanted);
  return delay_.front().second;
}

void KpaAutoscaler::save(MemoryWriter& out) const {
  stable_.save(out);
  panic_.save(out);
  out.put(std::int64_t{panic_since_.has_value()});
  out.put(panic_since_.value_or(TimePoint{}));
  out.put(std::int64_t{max_panic_});
  out.put(static_cast<std::int64_t>(delay_.size()));
  for (const auto& [index, wanted] : delay_) {
    out.put(index);
    out.put(std::int64_t{wanted});
  }
}

KpaAutoscaler KpaAutoscaler::load(MemoryReader& in) {
  KpaAutoscaler out;
  out.stable_ = KpaBuckets::load(in);
  out.panic_ = KpaBuckets::load(in);
  const bool panicking = in.integer(0, 1) == 1;
  const TimePoint since = in.time();
  if (panicking) out.panic_since_ = since;
  const auto most = static_cast<std::int64_t>(kMost);
  out.max_panic_ = static_cast<int>(in.integer(0, most));
  for (std::int64_t n = in.integer(0, kLongestWindowS); n > 0; --n) {
    const std::int64_t index = in.integer();
    out.delay_.emplace_back(index, static_cast<int>(in.integer(0, most)));
  }
  return out;
}

}  // namespace spate::scaling
