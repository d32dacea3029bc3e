// SPDX-License-Identifier: Apache-2.0
//
// RunRecords: appends to a run's decisions.jsonl and series.jsonl, a line a record, each
// flushed, so that a killed gateway loses at most the line it was writing. docs/run-directory.md
// has the fields.
//
// Threads: one at a time.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json_fwd.hpp>

#include "spate/base/result.h"
#include "spate/scaling/autoscaler.h"

namespace spate::adapters {

// The record of a decision as it stands in decisions.jsonl and in /api/decisions.
nlohmann::ordered_json to_json(const scaling::DecisionRecord& decision, double unix_s);
nlohmann::ordered_json to_json(const scaling::ScalingEvent& event, double unix_s);

class RunRecords {
 public:
  // Opens both files for appending (a restarted gateway goes on where the old one ended).
  Status open(const std::filesystem::path& run_dir);

  void decision(const nlohmann::ordered_json& record);  // or a scaling event
  void series(const nlohmann::ordered_json& line);

  // Lines that could not be written (disk full); the first one is also logged.
  std::uint64_t failures() const { return failures_; }

 private:
  void append(std::ofstream& file, const nlohmann::ordered_json& line);

  std::ofstream decisions_;
  std::ofstream series_;
  std::uint64_t failures_ = 0;
};

}  // namespace spate::adapters
