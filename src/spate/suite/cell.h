// SPDX-License-Identifier: Apache-2.0
//
// Cell: one strategy on one demand with one seed, simulated and measured. Kept as a JSON file, so
// that a suite that was stopped goes on where it was.
//
// Threads: pure functions; cells may be computed in several threads.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/judge/elasticity.h"
#include "spate/sim/output.h"
#include "spate/suite/suite.h"

namespace spate::suite {

struct CellModel {
  std::string model;
  double asked = 0.0;
  double in_time = 0.0;
  double attainment = 0.0;
  double slo_target = 0.0;
  double cost = 0.0;
  double cpu_seconds = 0.0;
  double memory_gib_seconds = 0.0;
  double p50_ms = 0.0;
  double p99_ms = 0.0;
  double mean_ready = 0.0;
  double worst_minute = 1.0;  // attainment
  std::size_t starts = 0;     // within the window
  std::size_t wasted_starts = 0;
  std::size_t oscillations = 0;
  judge::Elasticity elasticity;
};

struct Cell {
  std::string demand;
  std::string strategy;
  std::uint64_t seed = 0;
  std::vector<CellModel> models;
  double requests = 0.0;
  std::vector<std::string> problems;  // why the run says nothing

  // The replicas were ready and the load was played; else every figure here is empty.
  bool played() const { return problems.empty(); }
  bool meets() const;  // every model attains its target
  double cost() const;
  double in_time() const;
  double asked() const;
};

// Throws ConfigError when the strategy's options are bad.
Cell run_cell(const Suite& suite, const Demand& demand, const SuiteStrategy& strategy,
              std::uint64_t seed, const scaling::StrategyRegistry& registry);

// What a strategy's output is worth; run_cell() does it.
Cell measure(const Suite& suite, const Demand& demand, const std::string& strategy,
             std::uint64_t seed, const sim::RunOutput& output);

nlohmann::json to_json(const Cell& cell);
// Nothing when it is no cell.
std::optional<Cell> cell_from_json(const nlohmann::json& json);

// Equal for cells that must come out equal: all that a result depends on.
std::string cell_key(const Suite& suite, const Demand& demand, const SuiteStrategy& strategy,
                     std::uint64_t seed, const std::string& version);

}  // namespace spate::suite
