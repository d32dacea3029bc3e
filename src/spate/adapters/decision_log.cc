// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/decision_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

namespace spate::adapters {
namespace {

using Json = nlohmann::ordered_json;

std::string supply_text(int replicas, double cpus, int pool) {
  return fmt::format("{} x {:g} CPU{}", replicas, cpus,
                     pool > 0 ? fmt::format(" + {} parked", pool) : "");
}

}  // namespace

void DecisionLog::keep(Json record) {
  records_.decision(record);
  recent_.push_back(std::move(record));
  if (recent_.size() > kept_) recent_.pop_front();
}

// `names`: joined by "+".
void DecisionLog::count_limits(const std::string& model, std::string_view names) {
  while (!names.empty()) {
    const std::size_t end = std::min(names.find('+'), names.size());
    ++by_limit_[{model, std::string(names.substr(0, end))}];
    names.remove_prefix(std::min(end + 1, names.size()));
  }
}

void DecisionLog::add(const scaling::DecisionRecord& decision, double unix_s) {
  ++by_direction_[{decision.model, decision.direction}];
  ++by_rule_[{decision.model, decision.rule}];
  count_limits(decision.model, decision.changed_by);
  count_limits(decision.model, decision.clipped_by);
  if (decision.direction != "hold") {
    spdlog::info(
        "{}: {} -> {}: {}{}", decision.model,
        supply_text(decision.from_replicas, decision.from_cpu_limit, decision.from_warm_pool),
        supply_text(decision.to_replicas, decision.to_cpu_limit, decision.to_warm_pool),
        decision.reason,
        decision.clipped_by.empty() ? "" : " (cut by " + decision.clipped_by + ")");
  }
  keep(to_json(decision, unix_s));
}

void DecisionLog::add(const scaling::ScalingEvent& event, double unix_s) {
  Json record = to_json(event, unix_s);
  if (event.event == "ready" || event.event == "replica_started") {
    if (const auto it = phases_.find(event.replica); it != phases_.end()) {
      record["phases"] = it->second;
    }
  }
  if (event.event == "ready" || event.event == "gone") phases_.erase(event.replica);
  if (event.event == "failed" || event.event == "start_timeout") {
    spdlog::warn("{} {}: {}", event.replica, event.event, event.detail);
  } else {
    spdlog::debug("{} {} {}", event.replica, event.event, event.detail);
  }
  keep(std::move(record));
}

void DecisionLog::add_phase(const std::string& replica, const std::string& phase, double ms) {
  phases_[replica][phase] = std::round(ms * 1000.0) / 1000.0;
}

}  // namespace spate::adapters
