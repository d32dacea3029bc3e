// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/arrival_feed.h"

namespace spate::sim {

ArrivalFeed::ArrivalFeed(const std::string& model, std::shared_ptr<const influx::Profile> profile,
                         const influx::ArrivalOptions& law, double warm_up_s, std::uint64_t seed,
                         std::uint64_t run)
    : warm_up_ns_(from_seconds(warm_up_s).count()),
      main_(profile, law, Rng(seed, "arrivals/" + model, run)) {
  if (warm_up_s > 0.0) {
    warm_up_.emplace(std::make_shared<const influx::Profile>(
                         influx::Profile::constant(profile->rate(0.0), warm_up_s)),
                     law, Rng(seed, "warm_up/" + model, run));
  }
  fill();
}

std::int64_t ArrivalFeed::draw() {
  if (over_) return kOver;
  if (warm_up_) {
    if (const auto at = warm_up_->next()) return at->count() - warm_up_ns_;
    warm_up_.reset();
  }
  const auto at = main_.next();
  over_ = !at;
  return at ? at->count() : kOver;
}

void ArrivalFeed::fill() {
  at_ = 0;
  for (auto& time : times_) time = draw();
}

}  // namespace spate::sim
