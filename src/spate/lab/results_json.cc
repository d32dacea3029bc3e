// SPDX-License-Identifier: Apache-2.0
//
// A run's results as they stand in summary.json.
#include <cstdint>

#include "spate/lab/results.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

Json maybe(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

// Counts come in as doubles; they leave as whole numbers.
Json count(double value) { return static_cast<std::int64_t>(value); }

Json surge_json(const SurgeResult& s) {
  return {{"from_s", s.surge.from_s},
          {"until_s", s.surge.until_s},
          {"rate_per_s", s.surge.rate_per_s},
          {"asked", count(s.asked)},
          {"attainment", maybe(s.attainment)},
          {"attainment_after", maybe(s.attainment_after)},
          {"asked_after", count(s.asked_after)},
          {"recovery_s", maybe(s.recovery_s)}};
}

Json start_json(const ReplicaStart& s) {
  return {{"replica", s.replica},
          {"from", s.from_pool ? "pool" : "cold"},
          {"unix_s", s.unix_s},
          {"ready_ms", maybe(s.ready_ms)},
          {"first_answer_ms", maybe(s.first_answer_ms)},
          {"limit_applied_ms", maybe(s.limit_applied_ms)},
          {"phases", s.phases}};
}

Json model_json(const ModelResult& m) {
  Json surges = Json::array();
  for (const auto& s : m.surges) surges.push_back(surge_json(s));
  Json starts = Json::array();
  for (const auto& s : m.starts) starts.push_back(start_json(s));
  Json worst = nullptr;
  if (m.worst_second) {
    worst = {{"t_s", m.worst_second->t_s},
             {"asked", count(m.worst_second->asked)},
             {"attainment", m.worst_second->attainment}};
  }
  Json rejected = Json::object();
  for (const auto& [reason, number] : m.rejected) rejected[reason] = count(number);
  return {{"slo_latency_ms", m.slo_latency_ms},
          {"slo_target", m.slo_target},
          {"asked", count(m.asked)},
          {"sent", count(m.sent)},
          {"answered", count(m.answered)},
          {"in_time", count(m.in_time)},
          {"wrong", count(m.wrong)},
          {"accuracy", maybe(m.accuracy)},
          {"rejected", rejected},
          {"expired", count(m.expired)},
          {"duplicate", count(m.duplicate)},
          {"lost", count(m.lost)},
          {"slo_attainment", maybe(m.slo_attainment)},
          {"p50_ms", maybe(m.p50_ms)},
          {"p99_ms", maybe(m.p99_ms)},
          {"attainment_after_surge", maybe(m.attainment_after_surge)},
          {"recovered", m.recovered},
          {"recovery_s", maybe(m.recovery_s)},
          {"surges", surges},
          {"worst_second", worst},
          {"cost", m.cost.total},
          {"cost_cpu", m.cost.cpu},
          {"cost_memory", m.cost.memory},
          {"cost_parked", m.cost.parked},
          {"cost_per_1000_good", maybe(m.cost_per_1000_good)},
          {"cpu_seconds", m.cost.cpu_seconds},
          {"boost_cpu_seconds", m.cost.boost_cpu_seconds},
          {"memory_gib_seconds", m.cost.memory_gib_seconds},
          {"parked_seconds", m.cost.parked_seconds},
          {"parked_gib_seconds", m.cost.parked_gib_seconds},
          {"cpu_seconds_from", m.cost.from_events ? "events" : "series"},
          {"mean_replicas", m.mean_replicas},
          {"mean_ready", m.mean_ready},
          {"max_replicas", count(m.max_replicas)},
          {"mean_cpu_limit", m.mean_cpu_limit},
          {"starts", starts},
          {"decisions",
           {{"up", m.decisions.up},
            {"down", m.decisions.down},
            {"hold", m.decisions.hold},
            {"clipped", m.decisions.clipped}}},
          {"elasticity", elasticity_json(m.elasticity)}};
}

}  // namespace

Json results_json(const RunResult& run) {
  Json models = Json::object();
  for (const auto& m : run.models) models[m.model] = model_json(m);
  return {{"run", run.run},
          {"strategy", run.strategy},
          {"kind", run.kind},
          {"repetition", run.repetition},
          {"valid", run.valid},
          {"invalid_reasons", run.invalid_reasons},
          {"disturbed", run.disturbed},
          {"disturbances", run.disturbances},
          {"interrupted", run.interrupted},
          {"limit_mechanism", run.limit_mechanism},
          {"gateway_restarts", run.gateway_restarts},
          {"duration_s", run.duration_s},
          {"cost", run.cost},
          {"cost_per_1000_good", maybe(run.cost_per_1000_good)},
          {"models", models}};
}

}  // namespace spate::lab
