// SPDX-License-Identifier: Apache-2.0
//
// Plan: the settings of one influx run, as in influx.json; and Prepared: everything it needs in
// memory, ready before the run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/influx/generator.h"
#include "spate/influx/schedule.h"
#include "spate/influx/verdict.h"
#include "spate/influx/verifier.h"

namespace spate::influx {

struct ModelPlan {
  std::string name;
  std::string topic;              // key `topic`; default spate/v1/infer/<name>
  std::filesystem::path dataset;  // a directory that models::Dataset opens
  std::string split = "held_out";
  std::filesystem::path model_path;  // for the report only
  std::filesystem::path expected;    // offline predictions; "" = answers are not compared
  Duration deadline{0};              // `deadline_ms`, 0 = none: 0 to 3 600 000
  Duration slo_latency = std::chrono::seconds(1);  // `slo_latency_ms`: > 0 to 3 600 000
  std::shared_ptr<const Profile> profile;
  ArrivalOptions arrivals;  // default poisson
};

// Where /metrics is served while the run lasts ("metrics").
struct MetricsPlan {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0 = a free one
};

struct Plan {
  GeneratorOptions generator;     // broker, qos (0 or 1, default 1), settle_s, outbox, poll window
  std::filesystem::path run_dir;  // "" = write no files
  std::uint64_t seed = 1;
  std::uint64_t run = 0;  // number of the repetition
  double warm_up_s = 0.0;
  double duration_s = 0.0;
  std::vector<ModelPlan> models;
  VerdictRules rules;                   // `min_samples`
  std::filesystem::path save_schedule;  // "" = not
  std::optional<MetricsPlan> metrics;   // unset: not at all
  std::filesystem::path replay;         // a saved schedule in place of profiles and seed; "" = not
};

// Reads influx.json strictly. Relative paths are taken from the working directory. Throws
// ConfigError.
Plan read_plan(const ConfigReader& reader);
// The password stands alone in a file, so that it is in no plan and no process list. A line feed
// at the end is dropped. Throws ConfigError.
std::string read_password(const std::filesystem::path& file);

struct Prepared {
  Schedule schedule;
  std::vector<LoadModel> load;
  std::vector<CheckedModel> checked;
};

// Loads data sets and expected answers, makes the schedule (or loads it, for a replay, and checks
// that it fits) and saves it where asked. Blocks. Throws ConfigError.
Prepared prepare(Plan& plan);

}  // namespace spate::influx
