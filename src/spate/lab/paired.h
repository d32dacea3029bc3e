// SPDX-License-Identifier: Apache-2.0
//
// Paired statistics of a comparison: in each repetition all strategies meet the very same requests,
// so their costs are compared repetition by repetition. docs/elasticity.md says how.
//
// Threads: pure functions; deterministic.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/judge/statistics.h"
#include "spate/lab/results.h"

namespace spate::lab {

// Half of the 95 % interval's width that runs_needed aims at, as a share of the mean.
inline constexpr double kWishedHalfWidth = 0.02;
inline constexpr double kSignificant = 0.05;

// One strategy's cost over its valid runs.
struct CostInterval {
  std::string strategy;
  std::size_t runs = 0;
  judge::Interval cost;
  // Runs that would give an interval of the mean of +- kWishedHalfWidth; unset below two runs.
  std::optional<std::size_t> runs_needed;
};

// The costs of two strategies on the repetitions that both have.
struct CostPair {
  std::string cheaper;
  std::string dearer;
  judge::Interval saving;  // (dearer - cheaper) / mean of dearer
  double p = 1.0;          // Holm-corrected over all pairs
  bool tied = true;        // p above kSignificant: the data cannot tell
  // Repetitions to find the difference seen with probability 80 %, corrected for all pairs; unset:
  // none was seen, or there are more pairs than can be told apart.
  std::optional<std::size_t> pairs_needed;
};

struct PairedCosts {
  std::vector<CostInterval> strategies;  // with a valid run, by mean cost
  std::vector<CostPair> pairs;           // by mean cost
  std::size_t repetitions = 0;           // that all of them have
  // Set when so few repetitions cannot show any difference among so many strategies.
  bool too_few = true;
};

PairedCosts paired_costs(const std::vector<RunResult>& runs);

// The pair of `a` and `b` in either order; nullptr: not compared.
const CostPair* find_pair(const PairedCosts& costs, const std::string& a, const std::string& b);

nlohmann::json paired_json(const PairedCosts& costs);

// For people, a line each: what can be told apart and how many repetitions it takes. Empty with a
// single strategy.
std::vector<std::string> paired_lines(const PairedCosts& costs);

}  // namespace spate::lab
