// SPDX-License-Identifier: Apache-2.0
//
// DecisionLog: where an autoscaler's decisions and events go: decisions.jsonl, the process' log,
// the newest of them for the API, and totals for the metrics.
//
// Threads: the loop's.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spate/adapters/run_records.h"
#include "spate/scaling/autoscaler.h"

namespace spate::adapters {

// Totals by model and something else.
using DecisionCounts = std::map<std::pair<std::string, std::string>, std::uint64_t>;

class DecisionLog {
 public:
  // `records` must outlive it; `kept`: how many of the newest stay in recent().
  DecisionLog(RunRecords& records, std::size_t kept) : records_(records), kept_(kept) {}

  // `unix_s`: when it was.
  void add(const scaling::DecisionRecord& decision, double unix_s);
  void add(const scaling::ScalingEvent& event, double unix_s);
  // How long a part of a replica's start took; written with its `ready`.
  void add_phase(const std::string& replica, const std::string& phase, double ms);

  // Decisions and events, oldest first.
  const std::deque<nlohmann::ordered_json>& recent() const { return recent_; }
  const DecisionCounts& by_direction() const { return by_direction_; }
  const DecisionCounts& by_rule() const { return by_rule_; }
  const DecisionCounts& by_limit() const { return by_limit_; }

 private:
  void keep(nlohmann::ordered_json record);
  void count_limits(const std::string& model, std::string_view names);

  RunRecords& records_;
  std::size_t kept_;
  std::deque<nlohmann::ordered_json> recent_;
  DecisionCounts by_direction_;
  DecisionCounts by_rule_;
  DecisionCounts by_limit_;
  std::map<std::string, nlohmann::ordered_json> phases_;  // by replica
};

}  // namespace spate::adapters
