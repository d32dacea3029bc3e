// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/run_records.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace spate::adapters {
namespace {

using Json = nlohmann::ordered_json;

// Tenths of a microsecond say nothing and make the files large.
double rounded(double x) { return std::round(x * 1e6) / 1e6; }

Json configuration(int replicas, double cpu_limit, int warm_pool) {
  return {{"replicas", replicas}, {"cpu_limit", rounded(cpu_limit)}, {"warm_pool", warm_pool}};
}

}  // namespace

Json to_json(const scaling::DecisionRecord& decision, double unix_s) {
  Json inputs = Json::object();
  for (const auto& input : decision.inputs) {
    inputs[input.name] = {{"signal", input.signal},
                          {"value", input.value ? Json(rounded(*input.value)) : Json()},
                          {"readings", input.readings},
                          {"age_s", rounded(input.age_s)}};
  }
  return {
      {"unix_s", rounded(unix_s)},
      {"strategy", decision.strategy},
      {"model", decision.model},
      {"direction", decision.direction},
      {"from",
       configuration(decision.from_replicas, decision.from_cpu_limit, decision.from_warm_pool)},
      {"asked",
       configuration(decision.asked_replicas, decision.asked_cpu_limit, decision.asked_warm_pool)},
      {"to", configuration(decision.to_replicas, decision.to_cpu_limit, decision.to_warm_pool)},
      {"rule", decision.rule},
      {"changed_by", decision.changed_by.empty() ? Json() : Json(decision.changed_by)},
      {"clipped_by", decision.clipped_by.empty() ? Json() : Json(decision.clipped_by)},
      {"reason", decision.reason},
      {"inputs", std::move(inputs)},
      {"generation", decision.generation},
  };
}

Json to_json(const scaling::ScalingEvent& event, double unix_s) {
  Json out = {{"unix_s", rounded(unix_s)},
              {"event", event.event},
              {"replica", event.replica},
              {"model", event.model}};
  if (event.after) out["after_ms"] = rounded(to_ms(*event.after));
  if (event.cpu_limit) out["cpu_limit"] = rounded(*event.cpu_limit);
  if (!event.detail.empty()) out["detail"] = event.detail;
  return out;
}

Status RunRecords::open(const std::filesystem::path& run_dir) {
  const auto open_one = [&](std::ofstream& file, const char* name) -> Status {
    const auto path = run_dir / name;
    file.open(path, std::ios::app);
    if (!file) return Error{ErrorCode::PermissionDenied, "cannot write " + path.string()};
    return ok();
  };
  if (Status s = open_one(decisions_, "decisions.jsonl"); !s) return s;
  return open_one(series_, "series.jsonl");
}

void RunRecords::append(std::ofstream& file, const Json& line) {
  // Foreign text (a model's path, a worker's last words) may not be UTF-8.
  file << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  file.flush();
  if (file) return;
  file.clear();
  if (failures_++ == 0) spdlog::error("the run's records cannot be written (disk full?)");
}

void RunRecords::decision(const Json& record) { append(decisions_, record); }
void RunRecords::series(const Json& line) { append(series_, line); }

}  // namespace spate::adapters
