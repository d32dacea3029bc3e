// SPDX-License-Identifier: Apache-2.0
#include "spate/base/histogram.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/check.h"
#include "spate/base/config_error.h"

namespace spate {

std::int64_t Histogram::upper_end(std::size_t index) {
  constexpr std::uint64_t kSub = std::uint64_t{1} << kSubBits;
  if (index < kSub) return static_cast<std::int64_t>(index);
  const int shift = static_cast<int>(index >> kSubBits) - 1;
  const std::uint64_t mantissa = index - (static_cast<std::uint64_t>(shift) << kSubBits);
  return static_cast<std::int64_t>(((mantissa + 1) << shift) - 1);
}

void Histogram::merge(const Histogram& other) {
  if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size());
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  overflow_ += other.overflow_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ns_ += other.sum_ns_;
}

Histogram Histogram::since(const Histogram& earlier) const {
  Histogram out;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    const std::uint64_t before = i < earlier.buckets_.size() ? earlier.buckets_[i] : 0;
    if (buckets_[i] <= before) continue;
    const std::uint64_t added = buckets_[i] - before;
    if (i >= out.buckets_.size()) out.buckets_.resize(i + 1);
    out.buckets_[i] = added;
    out.count_ += added;
    const Duration low{i == 0 ? 0 : upper_end(i - 1) + 1};
    out.min_ = std::min(out.min_, std::max(low, min_));
    out.max_ = std::max(out.max_, std::min(Duration{upper_end(i)}, max_));
  }
  out.overflow_ = overflow_ - std::min(overflow_, earlier.overflow_);
  out.sum_ns_ = std::max(0.0, sum_ns_ - earlier.sum_ns_);
  return out;
}

void Histogram::clear() { *this = Histogram{}; }

double Histogram::mean_s() const {
  return count_ ? sum_ns_ / static_cast<double>(count_) * 1e-9 : 0.0;
}

Duration Histogram::quantile(double q) const {
  SPATE_CHECK(q >= 0.0 && q <= 1.0, "a quantile lies in [0, 1]");
  if (count_ == 0) return Duration{0};
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(Duration{upper_end(i)}, max_);
  }
  return max_;
}

std::uint64_t Histogram::count_at_most(Duration value) const {
  if (value < Duration{0}) return 0;
  const std::size_t last = index_of(std::min(value, kMax).count());
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size() && i <= last; ++i) seen += buckets_[i];
  return seen;
}

nlohmann::json Histogram::to_json() const {
  auto buckets = nlohmann::json::array();
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] != 0) buckets.push_back({i, buckets_[i]});
  }
  return {{"count", count_},        {"overflow", overflow_}, {"min_ns", min().count()},
          {"max_ns", max_.count()}, {"sum_ns", sum_ns_},     {"buckets", std::move(buckets)}};
}

Histogram Histogram::from_json(const nlohmann::json& json) {
  try {
    Histogram h;
    h.count_ = json.at("count").get<std::uint64_t>();
    h.overflow_ = json.at("overflow").get<std::uint64_t>();
    if (h.count_ > 0) h.min_ = Duration{json.at("min_ns").get<std::int64_t>()};
    h.max_ = Duration{json.at("max_ns").get<std::int64_t>()};
    h.sum_ns_ = json.at("sum_ns").get<double>();
    for (const auto& entry : json.at("buckets")) {
      const auto index = entry.at(0).get<std::size_t>();
      if (index > index_of(kMax.count())) throw ConfigError("histogram: bucket index out of range");
      if (index >= h.buckets_.size()) h.buckets_.resize(index + 1);
      h.buckets_[index] = entry.at(1).get<std::uint64_t>();
    }
    return h;
  } catch (const nlohmann::json::exception& error) {
    throw ConfigError(std::string("histogram: not in the documented form: ") + error.what());
  }
}

}  // namespace spate
