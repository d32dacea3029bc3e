// SPDX-License-Identifier: Apache-2.0
//
// The effective scenario as JSON: every setting, defaults included.
#include "spate/base/check.h"
#include "spate/lab/scenario.h"
#include "spate/sim/fault_script.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

Json demand_json(const ModelScenario& m) {
  Json out{{"profile", Json::parse(m.profile.resolved_json())},
           {"arrivals", Json::parse(m.arrivals_json)},
           {"description", m.profile.description()},
           {"expected_requests", m.profile.total()},
           {"peak_per_s", m.profile.peak_per_s()}};
  if (m.capacity) out["capacity"] = *m.capacity;
  Json phases = Json::array();
  for (const auto& p : m.profile.phases()) {
    phases.push_back(
        {{"name", p.name}, {"from_s", p.from_s}, {"to_s", p.to_s}, {"rate_per_s", p.rate_per_s}});
  }
  out["phases"] = phases;
  Json surges = Json::array();
  for (const auto& s :
       find_surges([&](double t) { return m.profile.rate(t); }, m.profile.duration_s())) {
    surges.push_back({{"from_s", s.from_s}, {"until_s", s.until_s}, {"rate_per_s", s.rate_per_s}});
  }
  out["surges"] = surges;
  if (!m.profile.notes().empty()) out["notes"] = m.profile.notes();
  return out;
}

Json model_json(const ModelScenario& m) {
  return {{"model", m.model.string()},
          {"dataset", m.dataset.string()},
          {"manifest", m.manifest},
          {"split", m.split},
          {"slo", {{"latency_ms", m.slo_latency_ms}, {"target", m.slo_target}}},
          {"deadline_ms", m.deadline_ms},
          {"demand", demand_json(m)},
          {"scaled", m.scaled},
          {"mode", m.mode},
          {"cpu_request", m.cpu_request},
          {"cpu_limit", m.cpu_limit},
          {"replicas", m.replicas},
          {"warm_pool", m.warm_pool},
          {"bounds",
           {{"min_replicas", m.min_replicas},
            {"max_replicas", m.max_replicas},
            {"min_cpu", m.min_cpu},
            {"max_cpu", m.max_cpu},
            {"cpu_ceiling", m.cpu_ceiling},
            {"max_warm_pool", m.max_warm_pool}}},
          {"batching", {{"max_batch", m.max_batch}, {"max_delay_ms", m.max_delay_ms}}},
          {"queue",
           {{"max_messages", m.max_queue_messages},
            {"max_bytes", m.max_queue_bytes},
            {"max_attempts", m.max_attempts},
            {"attempt_timeout_ms", m.attempt_timeout_ms},
            {"early_overload", m.early_overload}}},
          {"dispatch", m.dispatch}};
}

}  // namespace

Json effective_json(const Scenario& s) {
  Json models = Json::object();
  Json order = Json::array();
  for (const auto& m : s.models) {
    SPATE_CHECK(m.profile.duration_s() > 0.0, "every model's demand is resolved");
    models[m.name] = model_json(m);
    order.push_back(m.name);
  }
  Json strategies = Json::object();
  for (const auto& choice : s.strategies) {
    strategies[choice.label] = {{"kind", choice.kind},
                                {"options", Json::parse(choice.options_json)}};
  }
  Json machine{{"reserve", s.machine.reserve}};
  if (!s.machine.more.empty()) machine["more"] = s.machine.more;
  machine["cores"] = s.machine.cores ? Json(*s.machine.cores) : Json("auto");
  return {{"schema", 1},
          {"name", s.name},
          {"description", s.description},
          {"seed", s.seed},
          {"warm_up_s", s.warm_up_s},
          {"settle_s", s.settle_s},
          {"duration_s", s.duration_s},
          {"qos", s.qos},
          {"machine", machine},
          {"prices", judge::to_json(s.prices)},
          {"broker",
           {{"persistence", s.broker.persistence},
            {"max_queued_bytes", s.broker.max_queued_bytes},
            {"message_size_limit", s.broker.message_size_limit}}},
          {"models", models},
          {"model_order", order},
          {"strategies", strategies},
          {"faults", sim::fault_script_json(s.faults, s.model_names())}};
}

}  // namespace spate::lab
