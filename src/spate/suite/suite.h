// SPDX-License-Identifier: Apache-2.0
//
// Suite: many demands, several strategies, several seeds, simulated and judged together. The file
// format is in docs/suites.md.
//
// Used by `spate suite`. Threads: plain data once read.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/judge/prices.h"
#include "spate/scaling/strategies.h"
#include "spate/sim/world_config.h"

namespace spate::suite {

using judge::Prices;

// One model of a demand: the simulated model, and what judging it needs.
struct SuiteModel {
  sim::SimModel sim;            // the profile is made once the capacity is known
  double capacity_per_s = 0.0;  // of one replica at its initial limit, within the objective
  double load_cpu_s = 0.0;      // CPU time of loading
  ConfigReader profile;
};

struct Demand {
  std::string name;
  std::string what;  // one line
  double duration_s = 0.0;
  double warm_up_s = 0.0;
  double cpu_noise_ratio = 0.0;
  std::vector<SuiteModel> models;
  std::vector<sim::ScriptedFault> faults;
  nlohmann::json settings;  // everything that its results depend on
};

struct SuiteStrategy {
  std::string label;
  std::string kind;
  std::optional<ConfigReader> options;
  bool sees_schedule = false;  // a baseline: each cell hands it its demand's schedule
  nlohmann::json settings;
};

struct Suite {
  std::string name;
  std::string description;
  std::vector<std::uint64_t> seeds;
  Prices prices;
  // What a miss beyond the objective's budget costs, in units of what the cheapest possible service
  // of a request costs; for the league's score.
  double miss_price = 10.0;
  std::vector<SuiteStrategy> strategies;
  std::vector<Demand> demands;
};

// Reads and checks `file`; measures, in the simulator, the capacity of a replica of each kind of
// model. `prices` replaces the file's. CPU must have a price, for costs are compared with the least
// that serving can cost. Throws ConfigError.
Suite read_suite(const std::filesystem::path& file, const scaling::StrategyRegistry& registry,
                 const std::optional<Prices>& prices = std::nullopt);

// The largest Poisson rate (to 1 %) that one replica of `model` at its initial limit serves so that
// the target is met over 20 000 requests, by bisection in the simulator. Equal models, equal rate.
double replica_capacity(const sim::SimModel& model);

// What the baselines are told of a demand: its mean rates, and what a replica serves.
scaling::DemandByModel schedule_of(const Demand& demand);

// The simulated run of one cell.
sim::WorldConfig world_of(const Demand& demand, std::uint64_t seed);

}  // namespace spate::suite
