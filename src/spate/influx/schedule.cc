// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "spate/base/check.h"
#include "spate/base/config_error.h"

namespace spate::influx {

std::size_t Schedule::warm_up_requests() const {
  const auto first = std::partition_point(requests.begin(), requests.end(),
                                          [](const auto& r) { return r.at < Duration{0}; });
  return static_cast<std::size_t>(first - requests.begin());
}

ArrivalTimes::ArrivalTimes(std::shared_ptr<const Profile> profile, const ArrivalOptions& law,
                           Rng rng)
    : profile_(std::move(profile)),
      law_(make_arrivals(law)),
      rng_(rng),
      cursor_(*profile_),
      end_(from_seconds(profile_->duration_s())) {
  if (law.kind != ArrivalOptions::Kind::Mmpp) return;
  modulation_.emplace(law.states, cursor_, environment_rng(rng_));
}

std::optional<Duration> ArrivalTimes::next() {
  const double gap = first_ ? law_->first_gap(rng_) : law_->gap(rng_);
  first_ = false;
  const double at_s = modulation_ ? modulation_->advance(cursor_, gap) : cursor_.advance(gap);
  if (!(at_s < profile_->duration_s())) return std::nullopt;
  const Duration at{static_cast<std::int64_t>(at_s * 1e9)};
  if (at >= end_) return std::nullopt;
  return at;
}

SampleOrder::SampleOrder(std::uint32_t samples, Rng rng) : order_(samples), rng_(rng) {
  SPATE_CHECK(samples > 0, "a data set has at least one sample");
  std::iota(order_.begin(), order_.end(), 0U);
  at_ = order_.size();
}

std::uint32_t SampleOrder::next() {
  if (at_ == order_.size()) {
    shuffle(order_, rng_);
    at_ = 0;
  }
  return order_[at_++];
}

ScheduleStream::ScheduleStream(const ScheduleOptions& options)
    : warm_up_(from_seconds(options.warm_up_s)) {
  sources_.reserve(options.models.size());
  for (const DemandModel& model : options.models) {
    if (model.samples == 0) throw ConfigError("model " + model.name + ": its data set is empty");
    if (!model.profile) throw ConfigError("model " + model.name + ": no profile");
    const auto stream = [&](const char* name) {
      return Rng(options.seed, fmt::format("{}/{}", name, model.name), options.run);
    };
    std::optional<ArrivalTimes> warm_up;
    if (options.warm_up_s > 0.0) {
      warm_up.emplace(std::make_shared<const Profile>(
                          Profile::constant(model.profile->rate(0.0), options.warm_up_s)),
                      model.arrivals, stream("warm_up"));
    }
    sources_.push_back({std::move(warm_up),
                        ArrivalTimes(model.profile, model.arrivals, stream("arrivals")),
                        SampleOrder(model.samples, stream("payload")), Duration{0}, false});
    advance(sources_.back());
  }
}

void ScheduleStream::advance(Source& source) {
  if (source.warm_up) {
    if (const auto at = source.warm_up->next()) {
      source.next = *at - warm_up_;
      return;
    }
    source.warm_up.reset();
  }
  const auto at = source.times.next();
  source.over = !at;
  if (at) source.next = *at;
}

std::optional<PlannedRequest> ScheduleStream::next() {
  // Few models: a linear search beats a heap.
  std::size_t best = sources_.size();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i].over) continue;
    if (best == sources_.size() || sources_[i].next < sources_[best].next) best = i;
  }
  if (best == sources_.size()) return std::nullopt;
  Source& source = sources_[best];
  const PlannedRequest request{source.next, static_cast<std::uint32_t>(best),
                               source.samples.next()};
  advance(source);
  return request;
}

Schedule make_schedule(const ScheduleOptions& options) {
  Schedule schedule;
  schedule.seed = options.seed;
  schedule.run = options.run;
  schedule.warm_up = from_seconds(options.warm_up_s);
  schedule.duration = from_seconds(options.duration_s);
  double expected = 0.0;
  for (const DemandModel& model : options.models) {
    schedule.models.push_back({model.name, model.samples});
    if (!model.profile) continue;
    expected += model.profile->total() + model.profile->rate(0.0) * options.warm_up_s;
  }
  constexpr double kMost = 4294967295.0;
  if (expected > 0.99 * kMost) {
    throw ConfigError(fmt::format("the schedule would have {:.4g} requests; at most {:.4g} fit",
                                  expected, 0.99 * kMost));
  }
  schedule.requests.reserve(static_cast<std::size_t>(expected + 6.0 * std::sqrt(expected)));
  ScheduleStream stream(options);
  while (const auto request = stream.next()) schedule.requests.push_back(*request);
  return schedule;
}

}  // namespace spate::influx
