// SPDX-License-Identifier: Apache-2.0
//
// What an influx run leaves behind: influx.summary.json, influx.series.jsonl,
// influx.progress.json and a table for people. docs/influx.md describes the keys.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "spate/influx/generator.h"
#include "spate/influx/plan.h"
#include "spate/influx/verdict.h"
#include "spate/influx/verifier.h"

namespace spate::influx {

struct HostReport {
  double cpu_cores = 0.0;  // the generator's own mean use, 1 = one core
  int priority = 0;        // nice value it ran with
  std::string priority_note;
};

// Of a finished run. All pointers are borrowed for the call.
struct RunView {
  const Plan* plan = nullptr;
  const Schedule* schedule = nullptr;
  const Verifier* verifier = nullptr;
  GeneratorReport generator;
  HostReport host;
  Verdict verdict;
};

Verdict judge_run(const Plan& plan, const Verifier& verifier, const GeneratorReport& generator);

nlohmann::ordered_json summary_json(const RunView& run);
// One line per second of the plan and model, each ended by a line feed.
std::string series_lines(const RunView& run);
std::string summary_text(const RunView& run);

// The phase in force for people: "warm-up", "settling", or that of the model whose profile has
// the most phases.
std::string phase_name(const Plan& plan, double t_s);
// Clears the verifier's recent answers.
nlohmann::ordered_json progress_json(const Plan& plan, Verifier& verifier, double t_s);

// Dumps JSON that may hold foreign bytes (payload samples): bad UTF-8 is replaced.
std::string dump(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace spate::influx
