// SPDX-License-Identifier: Apache-2.0
//
// Elasticity of a run, from its directory: demand by the scenario's profile, supply by the
// gateway's series and the capacity measured. docs/elasticity.md has the formulas.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/judge/elasticity.h"
#include "spate/lab/run_files.h"
#include "spate/lab/surge.h"

namespace spate::lab {

struct RunElasticity {
  std::optional<judge::Elasticity> spec;    // needs the capacity of one replica
  std::optional<double> supply_recovery_s;  // the slowest of the surges; likewise
  bool supply_recovered = true;             // false: a surge that supply did not catch up with
  std::optional<judge::Attainment> worst_minute;
  std::size_t oscillations = 0;
  std::size_t starts = 0;  // begun in the measured window
  std::size_t wasted_starts = 0;
  std::string without;  // why `spec` is unset; empty when it is there
};

// `settings`: the model's entry of scenario.json. `start_s`: how long a replica takes to be ready
// (the resolution of instability and jitter).
RunElasticity elasticity_of_run(const RunFiles& files, const std::string& model,
                                const nlohmann::json& settings,
                                const std::vector<SurgeResult>& surges, double start_s);

nlohmann::json elasticity_json(const RunElasticity& elasticity);

}  // namespace spate::lab
