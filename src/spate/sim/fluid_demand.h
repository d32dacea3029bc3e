// SPDX-License-Identifier: Apache-2.0
//
// FluidDemand: how many requests of one model are expected in each step of the fluid mode: the
// integral of its profile, for mmpp arrivals times what their environment does. The environment's
// path is that of the exact mode's requests (ArrivalFeed) with the same seed and repetition, so
// that both modes, and all strategies, meet the same surges.
//
// The cost of a step does not depend on the rate. Threads: one at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "spate/base/rng.h"
#include "spate/influx/arrivals.h"
#include "spate/influx/modulation.h"
#include "spate/influx/profile.h"

namespace spate::sim {

class FluidDemand {
 public:
  // The first step begins `lead_s` before the measured window: 0 to `warm_up_s`.
  FluidDemand(const std::string& model, std::shared_ptr<const influx::Profile> profile,
              const influx::ArrivalOptions& law, double warm_up_s, double lead_s,
              std::uint64_t seed, std::uint64_t run);

  // Requests expected from where the last step ended until `t_s` seconds after the window's start
  // (0 or less: in the warm-up). A step ends at 0 if it begins before.
  double until(double t_s);

 private:
  class Part {
   public:
    Part(std::shared_ptr<const influx::Profile> profile, const influx::ArrivalOptions& law,
         Rng rng);
    double until(double t_s);

   private:
    std::shared_ptr<const influx::Profile> profile_;
    influx::ProfileCursor cursor_;
    std::optional<influx::Modulation> modulation_;
  };

  double warm_up_s_ = 0.0;
  std::optional<Part> warm_up_;
  Part main_;
};

}  // namespace spate::sim
