// SPDX-License-Identifier: Apache-2.0
//
// The validation page's data: summary.json, plus the series of each live run and of its simulated
// counterpart.
#include <nlohmann/json.hpp>

#include "spate/report/report.h"

namespace spate::report {
namespace {

using Json = nlohmann::json;

Json run_data(const lab::ValidatedRun& run, const Json& models) {
  Json live = Json::object();
  Json simulated = Json::object();
  for (const Json& name : models) {
    const auto model = name.get<std::string>();
    live[model] = series_data(run.live, model);
    simulated[model] = series_data(run.simulated, model);
  }
  const Json canary = run.live.run.value("canary", Json());
  return {{"strategy", lab::text_of(run.live.run, "strategy")},
          {"repetition", lab::number_of(run.live.run, "repetition")},
          {"disturbed", canary.is_object() && canary.value("disturbed", false)},
          {"live", std::move(live)},
          {"simulated", std::move(simulated)}};
}

}  // namespace

Json validation_data(const lab::ValidationOutcome& outcome) {
  Json out = outcome.json;
  for (std::size_t i = 0; i < outcome.scenarios.size(); ++i) {
    const auto& scenario = outcome.scenarios[i];
    Json& entry = out["scenarios"][i];
    entry["runs"] = Json::array();
    if (scenario.runs.empty()) continue;
    const Json& effective = scenario.runs.front().live.scenario;
    const Json models = effective.value("model_order", Json::array());
    entry["duration_s"] = lab::number_of(effective, "duration_s");
    entry["model_order"] = models;
    entry["slo_latency_ms"] = Json::object();
    for (const Json& name : models) {
      const auto model = name.get<std::string>();
      entry["slo_latency_ms"][model] = effective["models"][model]["slo"]["latency_ms"];
    }
    for (const auto& run : scenario.runs) entry["runs"].push_back(run_data(run, models));
  }
  return out;
}

}  // namespace spate::report
