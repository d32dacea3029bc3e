// SPDX-License-Identifier: Apache-2.0
//
// The capacity curve: what rate a configuration (model, CPU per replica, batch, replicas) serves
// within its objective. Every configuration is simulated from a machine profile; a few are also
// measured live, by a sequential test at each of several rates (sequential_share.h), and say how
// far the simulation may be believed. docs/capacity.md has the method.
//
// Threads: simulate_capacity() is a pure function; the rest is for the loop's thread.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/lab/live_loop.h"
#include "spate/lab/scenario.h"
#include "spate/lab/sequential_share.h"
#include "spate/sim/machine_profile.h"

namespace spate::lab {

struct CapacityPoint {
  std::string model;  // of the scenario
  double cpus = 1.0;  // per replica
  int batch = 1;      // largest
  int replicas = 1;
};

// The scenario with nothing but this configuration of its model, asked at a constant rate by
// Poisson arrivals, and never scaled. Requires the model.
Scenario capacity_scenario(const Scenario& base, const CapacityPoint& point, double rate_per_s,
                           double duration_s);

struct SimulatedCapacity {
  double per_s = 0.0;  // mean over seeds of the largest rate that attains the target
  double low_per_s = 0.0, high_per_s = 0.0;  // the seeds' least and largest
  bool fits_machine = true;                  // false: every replica was given the CPUs of its limit
  std::string impossible;  // why no rate attains the target, with the arithmetic; else ""
};

struct CurveSimulation {
  int seeds = 3;
  int requests = 20'000;  // per simulated rate
};

// Bisection on the rate; equal arguments give equal results.
SimulatedCapacity simulate_capacity(const Scenario& base, const CapacityPoint& point,
                                    const sim::MachineProfile& profile,
                                    const CurveSimulation& options = {});

// --- live ---------------------------------------------------------------------------------------

// Which rate to test next, as a power of the step (0: the rate that was begun with): up until one
// fails, down until one passes, then what lies between and was not tested. Nothing when all is
// known or `most` were tested.
std::optional<int> next_rate(const std::map<int, ShareVerdict>& tested, int most);

struct LiveRate {
  double rate_per_s = 0.0;
  ShareVerdict verdict = ShareVerdict::Undecided;
  double share = 0.0;
  double low = 0.0, high = 1.0;  // as of the last look
  double asked = 0.0;            // requests that had ended
  double seconds = 0.0;
  double design_effect = 1.0;
  std::vector<std::string> problems;  // why this says less than it seems
};

struct LiveCapacity {
  std::optional<double> low_per_s;   // the largest rate that was found above the target
  std::optional<double> high_per_s;  // the smallest that was found below it
  std::vector<LiveRate> rates;       // in the order of testing
};

struct LiveCurveOptions {
  std::filesystem::path program;  // the `spate` binary
  std::filesystem::path work;     // a folder for run directories
  std::string limits = "auto";
  std::string spate_version;
  double confidence = 0.95;  // of each rate's verdict
  double step_ratio = 1.15;  // between neighbouring rates, above 1
  int most_rates = 6;
  double most_seconds = 150.0;  // for one rate; undecided then
  std::function<void(const std::string&)> say = [](const std::string&) {};
};

// Blocks. Everything is real: broker, gateway, replicas, influx.
Result<LiveCapacity> measure_live_capacity(LiveLoop& loop, const Scenario& base,
                                           const CapacityPoint& point, double begin_per_s,
                                           const LiveCurveOptions& options);

// --- together -----------------------------------------------------------------------------------

struct CurveEntry {
  CapacityPoint point;
  SimulatedCapacity simulated;
  std::optional<LiveCapacity> live;
};

// Which of the points are measured live: `count` of those that fit the machine, spread evenly over
// their order; places in `points`.
std::vector<std::size_t> choose_live(const std::vector<CapacityPoint>& points, int count,
                                     double spare_cpus);

nlohmann::ordered_json curve_json(const Scenario& base, const std::vector<CurveEntry>& entries,
                                  const sim::MachineProfile& profile,
                                  const LiveCurveOptions& options);
std::string curve_table(const Scenario& base, const std::vector<CurveEntry>& entries,
                        double confidence);

}  // namespace spate::lab
