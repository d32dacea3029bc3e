// SPDX-License-Identifier: Apache-2.0
//
// ElasticitySummary: what a strategy's valid runs say of its elasticity on one model.
// docs/elasticity.md has the formulas.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/lab/results.h"

namespace spate::lab {

// One step up of the demand, over all runs.
struct SurgeSummary {
  Surge surge;
  std::optional<double> attainment_after;  // from 20 s after its beginning, all runs together
  std::optional<double> recovery_s;        // the slowest; unset when one run did not recover
  bool recovered = true;
};

struct ElasticitySummary {
  std::optional<judge::Elasticity> mean;  // over the runs; unset: none has a measured capacity
  std::string without;                    // why
  // Over the baseline's mean; set by compare_elasticity(). Unset for the baseline itself.
  std::optional<double> speedup;
  std::optional<double> worst_minute;       // the smallest attainment of all runs
  std::optional<double> supply_recovery_s;  // the slowest of all surges and runs
  bool supply_recovered = true;
  double oscillations = 0.0;  // mean per run, as the two below
  double starts = 0.0;        // begun in the measured window
  double wasted_starts = 0.0;
  std::vector<SurgeSummary> surges;
};

// Requires results of one model.
ElasticitySummary summarise_elasticity(const std::vector<const ModelResult*>& results);

nlohmann::json elasticity_json(const ElasticitySummary& summary);

}  // namespace spate::lab
