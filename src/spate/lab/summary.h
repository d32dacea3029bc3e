// SPDX-License-Identifier: Apache-2.0
//
// Summary: what an experiment's directory says, all of it: every run judged, the strategies
// compared, and summary.json. Computed from the directory alone, so it can be done again.
//
// Threads: pure functions over files.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "spate/base/result.h"
#include "spate/lab/cost.h"
#include "spate/lab/results.h"
#include "spate/lab/run_files.h"
#include "spate/lab/verdict.h"

namespace spate::lab {

inline constexpr int kSummarySchema = 1;

struct Summary {
  std::filesystem::path directory;
  std::vector<RunFiles> files;  // as the runs were made
  std::vector<RunResult> runs;  // the same order
  Comparison comparison;
  nlohmann::json json;  // summary.json
};

// NotFound when there is no run in `directory`.
// `prices`: in place of those that each run was made with.
Result<Summary> summarise(const std::filesystem::path& directory,
                          const std::optional<Prices>& prices = std::nullopt);

// Writes summary.json into its directory.
Status write_summary(const Summary& summary);

}  // namespace spate::lab
