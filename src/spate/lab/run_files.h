// SPDX-License-Identifier: Apache-2.0
//
// RunFiles: what one run (one strategy, one repetition) left in its directory, read back. The
// results and the report are computed from nothing else, so `spate report` can do both again.
// docs/run-directory.md describes every file and field.
//
// Reading is forgiving where a run may have been cut short (a missing file, a half-written last
// line): what is missing is named in `gaps`, and the run is invalid for it.
//
// Threads: plain data.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spate/base/result.h"

namespace spate::lab {

// One line of series.jsonl for one model: the gateway's view at `unix_s`. Totals since its start.
struct GatewaySample {
  double unix_s = 0.0;
  double arrived = 0.0;
  double answered = 0.0;
  std::map<std::string, double> rejected;  // by reason
  double expired = 0.0;
  double redispatched = 0.0;
  double queue = 0.0;
  double in_flight = 0.0;
  double oldest_ms = 0.0;
  double p50_ms = 0.0;
  double p99_ms = 0.0;
  double wanted = 0.0;
  double ready = 0.0;
  double starting = 0.0;
  double draining = 0.0;
  double parked = 0.0;        // of the warm pool; not among the ready ones
  double cpu_limit = 0.0;     // CPUs per replica
  double cpu_reserved = 0.0;  // CPUs, over all existing replicas
  double memory_bytes = 0.0;  // of its workers, summed over the components of the same line
  double cpu_cores = 0.0;     // consumed by its workers
};

struct ComponentSample {
  double unix_s = 0.0;
  double cpu_cores = 0.0;
  double memory_bytes = 0.0;
  double private_bytes = 0.0;
  double throttled_ratio = 0.0;
};

struct ComponentSeries {
  std::string component;  // gateway, broker, influx, worker
  std::string model;      // workers only
  std::string replica;    // workers only
  std::vector<ComponentSample> samples;
};

// One line of influx.series.jsonl: requests whose intended send lies in second `t_s` of the plan.
struct InfluxSample {
  double unix_s = 0.0;
  double t_s = 0.0;
  double planned = 0.0;  // what attainment is a share of; `sent` where it is not recorded
  double sent = 0.0;
  double answered = 0.0;
  double in_time = 0.0;
  double wrong = 0.0;
  double correct = 0.0;
  std::map<std::string, double> rejected;
  double expired = 0.0;
  double lost = 0.0;
  double duplicate = 0.0;
  double p50_ms = 0.0;
  double p99_ms = 0.0;
  double lag_p99_ms = 0.0;
};

struct RunFiles {
  std::filesystem::path directory;
  nlohmann::json run;             // run.json: what the lab recorded
  nlohmann::json scenario;        // scenario.json: the effective scenario
  nlohmann::json influx_summary;  // null when the run was cut short
  nlohmann::json gateway_state;   // null when the gateway never came up
  std::map<std::string, std::vector<GatewaySample>> gateway;  // by model, oldest first
  std::map<std::string, std::vector<InfluxSample>> influx;    // by model, oldest first
  std::vector<ComponentSeries> components;
  std::vector<nlohmann::json> decisions;  // decisions and scaling events, in order of time
  std::vector<std::string> gaps;          // what is missing or unreadable, in words

  // The measured window, Unix seconds: from influx's own record, else from its series.
  double measured_from = 0.0;
  double measured_until = 0.0;
};

// NotFound when `directory` has no run.json or scenario.json: it is not a run directory.
Result<RunFiles> read_run(const std::filesystem::path& directory);

// The run directories inside a comparison's directory (or `directory` itself if it is one), in
// the order of their names.
std::vector<std::filesystem::path> find_runs(const std::filesystem::path& directory);

// The member `key` of `object`; null when it has none or is no object.
const nlohmann::json& child(const nlohmann::json& object, const char* key);

// Numbers from JSON written by other processes: 0 when absent or not a number.
double number_of(const nlohmann::json& object, const char* key);
std::string text_of(const nlohmann::json& object, const char* key);

}  // namespace spate::lab
