// SPDX-License-Identifier: Apache-2.0
//
// Arrivals: the law of the gaps between requests, apart from how demand varies. A law draws
// gaps of mean 1 in units of expected requests; the inverse of the profile's cumulative rate
// turns them into times (time rescaling). So the law keeps its burstiness whatever the rate
// does: after mapping the times through cumulative(t), the gaps follow the law again.
//
// The first gap is drawn from the law's equilibrium distribution (the wait until the next event
// of a process that has run for ever), so that a bursty law neither adds nor lacks requests at
// the start.
//
// mmpp has Poisson's gaps in a random environment (modulation.h), which ArrivalTimes puts between
// the law and the profile.
//
// To add a law: a subclass in arrivals.cc and its line in make_arrivals() and read_arrivals().
//
// Threads: one law, one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/base/rng.h"
#include "spate/influx/modulation.h"

namespace spate::influx {

struct ArrivalOptions {
  enum class Kind { Even, Poisson, Gamma, Weibull, Mmpp };
  Kind kind = Kind::Poisson;
  // Coefficient of variation of the gaps, for gamma and weibull: 0.01 to 100 (weibull 0.05 to
  // 20). 1 is Poisson, below it is smoother, above it is burstier.
  double cv = 1.0;
  std::vector<ModulationState> states{};  // mmpp only: 2 to Modulation::kMostStates

  std::string describe() const;  // "poisson", "gamma with CV 4", "mmpp of 2 states"
  friend bool operator==(const ArrivalOptions&, const ArrivalOptions&) = default;
};

class Arrivals {
 public:
  virtual ~Arrivals() = default;
  virtual double first_gap(Rng& rng) = 0;
  virtual double gap(Rng& rng) = 0;  // >= 0, mean 1
};

// The gaps; for mmpp those of Poisson.
std::unique_ptr<Arrivals> make_arrivals(const ArrivalOptions& options);

// {kind: even | poisson | gamma | weibull | mmpp, cv: …, states: [{ratio: …, mean_s: …}, …]}, or
// the kind alone. Throws ConfigError.
ArrivalOptions read_arrivals(const ConfigReader& reader);
// "poisson", "even", "gamma:4", "weibull:2", "mmpp:0.5/60,4/10" (ratio/mean_s of each state).
// Throws ConfigError.
ArrivalOptions parse_arrivals(const std::string& text);
std::string to_json_text(const ArrivalOptions& options);

}  // namespace spate::influx
