// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/modulation.h"

#include <algorithm>
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

Rng environment_rng(Rng& arrivals) { return Rng(arrivals.next(), "environment"); }

Modulation::Modulation(std::vector<ModulationState> states, const ProfileCursor& cursor, Rng rng)
    : states_(std::move(states)), rng_(rng) {
  SPATE_CHECK(states_.size() >= 2, "a modulation has at least two states");
  const std::vector<double> shares = time_shares(states_);
  const double mean = mean_ratio(states_);
  SPATE_CHECK(mean > 0.0, "a modulation has a ratio above 0");
  for (ModulationState& state : states_) state.ratio /= mean;
  double place = rng_.uniform();
  std::size_t first = 0;
  while (first + 1 < shares.size() && place >= shares[first]) place -= shares[first++];
  enter(first, cursor);
}

void Modulation::enter(std::size_t state, const ProfileCursor& cursor) {
  state_ = state;
  until_s_ += rng_.exponential() * states_[state].mean_s;
  left_ = cursor.until(until_s_);
}

bool Modulation::leave(ProfileCursor& cursor) {
  cursor.move_to(until_s_);
  left_ = 0.0;
  if (cursor.over()) return false;
  std::size_t next = static_cast<std::size_t>(rng_.below(states_.size() - 1));
  if (next >= state_) ++next;
  enter(next, cursor);
  return true;
}

double Modulation::advance(ProfileCursor& cursor, double gap) {
  for (;;) {
    const double ratio = states_[state_].ratio;
    const double here = ratio * left_;
    if (gap < here) {
      left_ -= gap / ratio;
      return cursor.advance(gap / ratio);
    }
    gap -= here;
    if (!leave(cursor)) return std::numeric_limits<double>::infinity();
  }
}

double Modulation::expected_until(ProfileCursor& cursor, double t_s) {
  double sum = 0.0;
  while (until_s_ < t_s) {
    sum += states_[state_].ratio * left_;
    if (!leave(cursor)) return sum;
  }
  // A part of what is left of the state: its parts have the state's sum, to the last bit or so.
  const double here = std::min(left_, cursor.until(t_s));
  left_ -= here;
  cursor.move_to(t_s);
  return sum + states_[state_].ratio * here;
}

}  // namespace spate::influx
