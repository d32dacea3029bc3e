// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/modulation.h"

#include <limits>

#include "spate/base/check.h"

namespace spate::influx {

// Each state is entered equally often, so its share of time is that of its mean.
std::vector<double> time_shares(const std::vector<ModulationState>& states) {
  double sum = 0.0;
  for (const ModulationState& state : states) sum += state.mean_s;
  std::vector<double> out;
  for (const ModulationState& state : states) out.push_back(state.mean_s / sum);
  return out;
}

double mean_ratio(const std::vector<ModulationState>& states) {
  const std::vector<double> shares = time_shares(states);
  double mean = 0.0;
  for (std::size_t i = 0; i < states.size(); ++i) mean += shares[i] * states[i].ratio;
  return mean;
}

Modulation::Modulation(std::vector<ModulationState> states, const ProfileCursor& cursor, Rng& rng)
    : states_(std::move(states)) {
  SPATE_CHECK(states_.size() >= 2, "a modulation has at least two states");
  const std::vector<double> shares = time_shares(states_);
  const double mean = mean_ratio(states_);
  SPATE_CHECK(mean > 0.0, "a modulation has a ratio above 0");
  for (ModulationState& state : states_) state.ratio /= mean;
  double place = rng.uniform();
  std::size_t first = 0;
  while (first + 1 < shares.size() && place >= shares[first]) place -= shares[first++];
  enter(first, cursor, rng);
}

void Modulation::enter(std::size_t state, const ProfileCursor& cursor, Rng& rng) {
  state_ = state;
  until_s_ += rng.exponential() * states_[state].mean_s;
  left_ = cursor.until(until_s_);
}

double Modulation::advance(ProfileCursor& cursor, double gap, Rng& rng) {
  for (;;) {
    const double ratio = states_[state_].ratio;
    const double here = ratio * left_;
    if (gap < here) {
      left_ -= gap / ratio;
      return cursor.advance(gap / ratio);
    }
    gap -= here;
    cursor.move_to(until_s_);
    if (cursor.over()) return std::numeric_limits<double>::infinity();
    std::size_t next = static_cast<std::size_t>(rng.below(states_.size() - 1));
    if (next >= state_) ++next;
    enter(next, cursor, rng);
  }
}

}  // namespace spate::influx
