// SPDX-License-Identifier: Apache-2.0
//
// Verdict: which strategy won. The rule, which the report prints too:
//
//   A strategy qualifies when, over all its valid repetitions together, every model attains its
//   target. The winner is the cheapest that qualifies. Two strategies tie when their costs,
//   compared repetition by repetition, cannot be told apart (lab/paired.h); with too few
//   repetitions for that, when the ranges of their costs overlap; with a single one, when their
//   costs lie within 2 % of each other. Nobody qualifies: the verdict says so, and who came
//   closest.
//
// Threads: pure functions.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/lab/elasticity_summary.h"
#include "spate/lab/paired.h"
#include "spate/lab/results.h"

namespace spate::lab {

inline constexpr double kSingleRunTie = 0.02;  // relative difference of cost

struct Spread {
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
};
Spread spread_of(const std::vector<double>& values);  // zeros when empty

struct ModelSummary {
  std::string model;
  double slo_target = 0.0;
  double slo_latency_ms = 0.0;
  std::optional<double> attainment;  // in time over asked, over all valid repetitions
  Spread attainment_spread;
  bool attains = false;
  std::optional<double> attainment_after_surge;  // as above
  std::optional<double> accuracy;
  Spread p50_ms;
  Spread p99_ms;
  Spread cost;
  Spread cost_parked;  // of it, the memory of parked replicas
  Spread mean_replicas;
  Spread mean_cpu_limit;
  std::optional<double> recovery_s;  // slowest of all; unset when one did not recover
  bool recovered = true;
  double asked = 0.0;
  double sent = 0.0;
  double answered = 0.0;
  double wrong = 0.0;
  std::map<std::string, double> rejected;
  double expired = 0.0;
  double duplicate = 0.0;
  double lost = 0.0;
  ElasticitySummary elasticity;
};

struct StrategySummary {
  std::string strategy;
  std::string kind;
  int runs = 0;
  int valid_runs = 0;
  int disturbed_runs = 0;
  bool qualifies = false;
  bool borderline = false;  // qualifies or not depending on the repetition
  Spread cost;
  std::optional<double> cost_per_1000_good;
  std::vector<ModelSummary> models;
};

struct Verdict {
  // "winner" | "tie" | "nobody" | "no_valid_runs"
  std::string outcome = "no_valid_runs";
  std::vector<std::string> winners;
  std::string text;  // for people
};

struct Comparison {
  std::vector<StrategySummary> strategies;  // in the order in which they were asked for
  std::string baseline;  // of the elastic speed-ups: `none` where it was run, else the first
  PairedCosts paired;
  Verdict verdict;
};

// `order`: the strategies as asked for; strategies of `runs` that it lacks come after.
Comparison compare_runs(const std::vector<RunResult>& runs, const std::vector<std::string>& order);

nlohmann::json comparison_json(const Comparison& comparison);  // {"strategies": …, "verdict": …}

// The rule above in one paragraph.
std::string winner_rule();

}  // namespace spate::lab
