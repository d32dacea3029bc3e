// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/fluid_demand.h"

#include <utility>

namespace spate::sim {

FluidDemand::Part::Part(std::shared_ptr<const influx::Profile> profile,
                        const influx::ArrivalOptions& law, Rng rng)
    : profile_(std::move(profile)), cursor_(*profile_) {
  if (law.kind != influx::ArrivalOptions::Kind::Mmpp) return;
  modulation_.emplace(law.states, cursor_, influx::environment_rng(rng));
}

// The cursor keeps its place: no sum is searched for.
double FluidDemand::Part::until(double t_s) {
  if (modulation_) return modulation_->expected_until(cursor_, t_s);
  const double expected = cursor_.until(t_s);
  cursor_.move_to(t_s);
  return expected;
}

FluidDemand::FluidDemand(const std::string& model, std::shared_ptr<const influx::Profile> profile,
                         const influx::ArrivalOptions& law, double warm_up_s, double lead_s,
                         std::uint64_t seed, std::uint64_t run)
    : warm_up_s_(warm_up_s), main_(profile, law, Rng(seed, "arrivals/" + model, run)) {
  if (!(warm_up_s > 0.0)) return;
  warm_up_.emplace(std::make_shared<const influx::Profile>(
                       influx::Profile::constant(profile->rate(0.0), warm_up_s)),
                   law, Rng(seed, "warm_up/" + model, run));
  (void)warm_up_->until(warm_up_s - lead_s);
}

double FluidDemand::until(double t_s) {
  if (t_s > 0.0) return main_.until(t_s);
  return warm_up_ ? warm_up_->until(t_s + warm_up_s_) : 0.0;
}

}  // namespace spate::sim
