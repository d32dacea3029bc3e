// SPDX-License-Identifier: Apache-2.0
//
// tune: searches a strategy's numbers in the simulator, on a part of a suite's demands and seeds,
// and says what the best found is worth on demands and seeds that the search never saw.
//
//   1. a Latin hypercube of candidates and what stands now, each on a few cells;
//   2. successive halving: the better third goes on to three times as many cells, until all;
//   3. steps around the best, smaller whenever none of four is better, until the budget is used;
//   4. the best and what stood before, paired on the held-out cells.
//
// A candidate's figure is the suite's score (docs/suites.md): the geometric mean over its cells,
// lower is better. Equal arguments give equal results, in any number of threads. docs/tuning.md.
//
// Threads: tune() starts its own and joins them; `progress` is called under a lock.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "spate/judge/statistics.h"
#include "spate/suite/suite.h"
#include "spate/suite/tune_space.h"

namespace spate::suite {

struct TuneOptions {
  std::vector<std::string> parameters;  // see SearchSpace
  std::uint64_t seed = 1;               // of the search and of the split
  int budget = 600;                     // cells simulated for the search
  int test_seeds = 5;                   // that the suite does not have
  double held_out_ratio = 0.34;         // of the demands, at least one where there are two
  int threads = 1;
  std::function<void(int done, int total)> progress;  // cells
};

enum class TuneVerdict : std::uint8_t { Better, CannotTell, Worse };

struct Tuned {
  std::vector<SearchedNumber> numbers;
  std::vector<double> best;  // as `numbers`
  std::string options_json;  // of the best, all that is to be set
  std::vector<std::string> training_demands;
  std::vector<std::string> test_demands;
  bool demands_held_out = false;  // false: the suite has one demand, only the seeds are new
  std::vector<std::uint64_t> training_seeds;
  std::vector<std::uint64_t> test_seeds;
  int candidates = 0;  // tried
  int cells = 0;       // simulated for the search
  double training_before = 0.0;
  double training_best = 0.0;
  // On the held-out cells:
  double test_before = 0.0;
  double test_best = 0.0;
  std::size_t demands_better = 0;  // of the held-out demands
  // score of the best over the score before; by resampling demands, and seeds within each.
  judge::Interval ratio;
  TuneVerdict verdict = TuneVerdict::CannotTell;
};

// `strategy`: its options are what stands before. Throws ConfigError: nothing to search, a budget
// too small for three candidates.
Tuned tune(const Suite& suite, const SuiteStrategy& strategy,
           const scaling::StrategyRegistry& registry, const TuneOptions& options);

// For the terminal, and as the YAML of a scenario's or suite's `strategies`.
std::string tuned_text(const Tuned& tuned);
std::string tuned_yaml(const Tuned& tuned, const SuiteStrategy& strategy,
                       const std::string& command);

}  // namespace spate::suite
