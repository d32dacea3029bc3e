// SPDX-License-Identifier: Apache-2.0
//
// Simulated runs of a scenario: the same scenario, results and files as a live run's, with the
// world of sim/ in place of processes.
//
//   const SimulationPlan plan = plan_simulation(scenario, profile);
//   const SimulatedRun run = simulate_run(plan, "horizontal", 1);      // in memory
//   run.result.models[0].slo_attainment, run.files.influx, run.output …
//   write_run(run, "out/horizontal-1");                                // if wanted
//
// Threads: a plan is only read once made: simulate_run() may be called from several threads.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "spate/lab/results.h"
#include "spate/lab/run_files.h"
#include "spate/lab/scenario.h"
#include "spate/sim/machine_profile.h"
#include "spate/sim/output.h"
#include "spate/sim/world_config.h"

namespace spate::lab {

struct SimulationPlan {
  Scenario scenario;  // resolved
  nlohmann::json effective;
  sim::WorldConfig world;  // all but `run`
  std::string profile_file;
  nlohmann::json machine;  // the machine that the profile speaks of
  double machine_cores = 0.0;
};

struct SimulationOptions {
  // The machine's CPUs are shared by all workers, as they are live. Off for machines of any size.
  bool contention = true;
  // The approximate mode: numbers of requests per time step (sim/fluid_flow.h).
  bool fluid = false;
};

// Resolves demand in units of a replica's capacity by simulating that capacity, for models that
// have none yet: one whose capacity is set (as a live run recorded it) keeps it and its demand.
// Throws ConfigError when the profile lacks a model, and, with the arithmetic, when no answer could
// come within the objective.
SimulationPlan plan_simulation(Scenario scenario, const sim::MachineProfile& profile,
                               const SimulationOptions& options = {});

struct SimulatedRun {
  RunFiles files;  // as read_run() would give them; `directory` is the run's name
  RunResult result;
  sim::RunOutput output;
};

// `label`: a strategy as the scenario names it, or a kind. `repetition` from 1: equal ones meet
// the same demand whatever the strategy. Throws ConfigError.
SimulatedRun simulate_run(const SimulationPlan& plan, const std::string& label, int repetition);

// Turns an output into files and results; simulate_run() does. `kind` and `options_json` of the
// strategy go into run.json.
SimulatedRun make_run(const SimulationPlan& plan, const StrategyChoice& strategy, int repetition,
                      sim::RunOutput output);

// Writes a run directory that read_run() reads (docs/run-directory.md). `folder` is made.
Status write_run(const SimulatedRun& run, const std::filesystem::path& folder);

// The same models, demand and strategies, compared. Every strategy meets the same requests in
// equal repetitions.
struct SimulateOptions {
  std::vector<std::string> strategies;
  int repetitions = 1;
  int threads = 1;
  std::filesystem::path out;  // "" = write nothing
  // Called from any of the threads, one at a time, when a run is over.
  std::function<void(const SimulatedRun&, int done, int total)> progress;
};
// In order of strategy, then repetition. Writes <out>/<strategy>-<n>, experiment.json, and
// scenario.yaml when `out` is given. Throws ConfigError.
std::vector<SimulatedRun> simulate_all(const SimulationPlan& plan, const SimulateOptions& options);

}  // namespace spate::lab
