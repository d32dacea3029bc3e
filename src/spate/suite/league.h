// SPDX-License-Identifier: Apache-2.0
//
// League: what all cells of a suite say together. docs/suites.md defines every figure.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/judge/statistics.h"
#include "spate/suite/cell.h"
#include "spate/suite/clairvoyant.h"
#include "spate/suite/suite.h"

namespace spate::suite {

// What no policy can go below on a demand (judge::fluid_lower_bound per model, summed; with mmpp
// arrivals the mean over the seeds, of which each has surges of its own).
struct DemandBound {
  double lower_cost = 0.0;
  double per_request = 0.0;  // the cheapest possible service of one request
  // The cheapest known to meet every objective with every seed: the clairvoyant's schedule or a
  // strategy. Unset: none is known. The least possible cost lies between the two.
  std::optional<double> upper_cost;
  std::string upper_by;
  std::optional<Clairvoyant> clairvoyant;  // where it was asked for
};
DemandBound bound_of(const Suite& suite, const Demand& demand);

// (cost + price of the misses beyond the budget) over the lower bound: docs/suites.md.
double cell_score(const Suite& suite, const Cell& cell, const DemandBound& bound);

// One strategy on one demand, over the seeds.
struct Entry {
  std::string demand;
  std::string strategy;
  std::size_t runs = 0;
  std::size_t runs_that_meet = 0;
  // Whose replicas never became ready. With one of them the entry has no figures and no place.
  std::size_t runs_unready = 0;
  judge::Interval attainment;  // of the worst model
  judge::Interval cost;
  double cost_per_1000_good = 0.0;
  double regret = 0.0;  // mean cost over the lower bound, less 1
  // Mean cost over the cheapest known that meets, less 1; negative for what is cheap and misses.
  std::optional<double> regret_upper;
  // Seeds for a 95 % interval of the cost that is 2 % wide to either side; unset with one seed.
  std::optional<std::size_t> seeds_needed;
  // (cost + price of the misses beyond the budget) over the lower bound; the mean over the seeds.
  double score = 0.0;
  double p99_ms = 0.0;
  double worst_minute = 1.0;
  double starts = 0.0;
  double wasted_starts = 0.0;
  double oscillations = 0.0;
  judge::Elasticity elasticity;  // means over models and seeds
  // No other that does not see the schedule is cheaper with at least as much in time.
  bool on_front = false;
};

struct Standing {
  std::string strategy;
  bool sees_schedule = false;  // a baseline; never on the front
  int rank = 1;
  std::vector<std::string> tied;
  judge::Interval score;        // geometric mean over the demands
  std::size_t demands_met = 0;  // all models met their targets in every run
  double attainment = 0.0;      // mean over demands of the worst model's
  double relative_cost = 0.0;   // geometric mean of cost over the lower bound
  // Likewise over the cheapest known that meets, on the demands where one is; 0: on none.
  double relative_to_best = 0.0;
  double elastic_speedup = 0.0;  // over `none` (geometric mean over demands); 0: no `none` here
  bool on_front = false;         // of relative_cost against attainment
};

// A strategy that is not ranked, as some of its runs never began.
struct Unranked {
  std::string strategy;
  std::size_t runs_unready = 0;
  std::size_t runs = 0;
  std::vector<std::string> demands;  // on which
};

struct League {
  std::vector<Standing> standings;  // best first
  std::vector<Unranked> unranked;   // in the suite's order
  std::vector<Entry> entries;       // by demand, then by score
  std::vector<DemandBound> bounds;  // as the suite's demands
  judge::Ranking ranking;
  // As ranking.p: demands like these that would tell the two apart with probability 80 %; unset:
  // no difference was seen.
  std::vector<std::vector<std::optional<std::size_t>>> demands_needed;
};

// `clairvoyants`: one per demand in the suite's order, or none.
League judge_suite(const Suite& suite, const std::vector<Cell>& cells,
                   const std::vector<Clairvoyant>& clairvoyants = {});

nlohmann::json league_json(const Suite& suite, const League& league);
// "the replicas were never ready in 3 of 42 runs (flash_crowd)"
std::string why_unranked(const Unranked& unranked);
std::string league_table(const Suite& suite, const League& league);  // for the terminal
std::string league_html(const Suite& suite, const League& league);   // self-contained

}  // namespace spate::suite
