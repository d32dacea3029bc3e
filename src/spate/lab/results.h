// SPDX-License-Identifier: Apache-2.0
//
// Results: what one run came to, computed from its directory alone. results_json() is the
// entry of a run in summary.json; docs/run-directory.md describes its fields.
//
// SLO attainment is the share of all requests of the measured window that were answered
// correctly formed and in time, counted from the intended send: rejected, expired and lost ones
// are misses.
//
// Threads: pure functions over plain data.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/lab/cost.h"
#include "spate/lab/run_elasticity.h"
#include "spate/lab/run_files.h"
#include "spate/lab/surge.h"

namespace spate::lab {

struct WorstSecond {
  double t_s = 0.0;  // of the plan
  double asked = 0.0;
  double attainment = 0.0;
};

// How long a new replica took, from the decision (or, for the first ones, the start) on. A replica
// taken from the warm pool has a record of its own, each time.
struct ReplicaStart {
  std::string replica;
  bool from_pool = false;
  double unix_s = 0.0;    // when its process was started, or it was unparked
  double after_ms = 0.0;  // from the decision until then
  std::optional<double> ready_ms;
  std::optional<double> first_answer_ms;
  std::optional<double> limit_applied_ms;
  nlohmann::json phases;  // what the worker said of its start: exec_to_main_ms, load_ms, …; or null
};

struct DecisionCounts {
  int up = 0;
  int down = 0;
  int hold = 0;
  int clipped = 0;  // changed by a bound or the ceiling
};

struct ModelResult {
  std::string model;
  double slo_latency_ms = 0.0;
  double slo_target = 0.0;

  double asked = 0.0;  // requests of the plan's window
  double sent = 0.0;   // of those, what left the generator
  double answered = 0.0;
  double in_time = 0.0;
  double wrong = 0.0;
  double correct = 0.0;  // agree with the label (classification), within tolerance (regression)
  std::optional<double> accuracy;
  std::map<std::string, double> rejected;
  double expired = 0.0;
  double duplicate = 0.0;
  double lost = 0.0;
  std::optional<double> slo_attainment;  // unset when nothing was sent
  std::optional<double> p50_ms;          // of the answered, from the intended send
  std::optional<double> p99_ms;

  std::vector<SurgeResult> surges;
  std::optional<double> attainment_after_surge;  // over all surges, from 20 s after each
  std::optional<double> recovery_s;              // the slowest; unset if one did not recover
  bool recovered = true;
  std::optional<WorstSecond> worst_second;

  ModelCost cost;
  std::optional<double> cost_per_1000_good;
  double mean_replicas = 0.0;  // that existed: starting, ready and draining
  double mean_ready = 0.0;
  double max_replicas = 0.0;
  double mean_cpu_limit = 0.0;  // CPUs per replica
  std::vector<ReplicaStart> starts;
  DecisionCounts decisions;
  RunElasticity elasticity;
};

struct RunResult {
  std::string run;  // the directory's name
  std::string strategy;
  std::string kind;
  int repetition = 1;
  bool valid = true;
  std::vector<std::string> invalid_reasons;
  bool disturbed = false;
  std::vector<std::string> disturbances;
  std::string limit_mechanism;
  int gateway_restarts = 0;
  bool interrupted = false;
  double duration_s = 0.0;          // measured
  std::vector<ModelResult> models;  // in the scenario's order
  double cost = 0.0;
  std::optional<double> cost_per_1000_good;
};

RunResult judge_run(const RunFiles& files);

nlohmann::json results_json(const RunResult& run);

}  // namespace spate::lab
