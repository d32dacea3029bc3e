// SPDX-License-Identifier: Apache-2.0
//
// Modulation: a random environment that raises and lowers demand: the Markov-modulated Poisson
// process (Fischer and Meier-Hellstern, Performance Evaluation 18, 1993). The environment is in
// one of a few states, stays in each for an exponential time, and then goes to any of the others
// with equal probability. In state i the rate is the profile's, times ratio_i over the mean of the
// ratios, so that the profile's rate stays the mean.
//
// Unlike the other laws, whose burstiness is that of single gaps, a modulated demand has bursts and
// lulls of a length in seconds, and its counts stay overdispersed over windows of any length.
//
// What the environment does depends on its random stream and on time alone, not on the requests:
// who draws every request (advance) and who only asks how many are expected (expected_until) meet
// the same surges.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <vector>

#include "spate/base/rng.h"
#include "spate/influx/profile.h"

namespace spate::influx {

struct ModulationState {
  double ratio = 1.0;   // of the rate, relative to the other states': 0 to 1e6
  double mean_s = 1.0;  // mean time in it, seconds: 0.001 to 1e7
  friend bool operator==(const ModulationState&, const ModulationState&) = default;
};

class Modulation {
 public:
  // The largest number of states that settings may have.
  static constexpr std::size_t kMostStates = 8;

  // Requires at least two states, a ratio above 0 and every mean above 0. It begins in its
  // equilibrium, as if it had run for ever. `rng` is for it alone (environment_rng).
  Modulation(std::vector<ModulationState> states, const ProfileCursor& cursor, Rng rng);

  // The time, in seconds from the profile's start, at which `gap` more requests are expected,
  // given what the environment does meanwhile; infinity beyond the profile's end. Moves the
  // cursor there.
  double advance(ProfileCursor& cursor, double gap);

  // Requests expected from the cursor until `t_s`, not behind it, given what the environment does
  // meanwhile: the exact integral, however often it changes. Moves the cursor there.
  double expected_until(ProfileCursor& cursor, double t_s);

 private:
  void enter(std::size_t state, const ProfileCursor& cursor);
  bool leave(ProfileCursor& cursor);  // for the next state; false at the profile's end

  std::vector<ModulationState> states_;  // ratios of mean 1
  Rng rng_;
  std::size_t state_ = 0;
  double until_s_ = 0.0;  // when it leaves the state
  double left_ = 0.0;     // requests that the profile alone expects until then
};

// The stream of an environment, made from that of its arrivals by taking one number from it.
Rng environment_rng(Rng& arrivals);

// Share of time in each state, and the mean of the ratios.
std::vector<double> time_shares(const std::vector<ModulationState>& states);
double mean_ratio(const std::vector<ModulationState>& states);

}  // namespace spate::influx
