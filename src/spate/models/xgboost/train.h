// SPDX-License-Identifier: Apache-2.0
//
// Training of xgboost models. The code is in the module, which alone maps libxgboost; the
// command `spate model build xgboost` reaches it through module_symbol("model_xgboost",
// "spate_xgboost_training").
#pragma once

#include <cstdint>
#include <string>

#include "spate/base/result.h"
#include "spate/models/training_table.h"

namespace spate::models::xgboost {

struct TrainOptions {
  TableBuildOptions table;
  // "auto": classes when the target holds text, or whole numbers of at most kMostAutoClasses
  // different values; else regression. Or "regression", "classes".
  std::string objective = "auto";
  int rounds = 150;            // [1, 100000] trees, per class when there are more than two
  int depth = 5;               // [1, 30] levels of a tree
  double learning_rate = 0.1;  // (0, 1]: smaller needs more rounds and generalises better
  double row_share = 0.8;      // (0, 1]: rows each tree sees
  double column_share = 0.8;   // (0, 1]: features each tree sees
};

constexpr std::size_t kMostAutoClasses = 20;

// Trains, judges by the held-out rows beside a trivial baseline, saves. Missing cells are left
// to libxgboost, which learns for each split where they go. Deterministic: one thread, and
// `table.seed`. Blocks.
Result<BuildReport> train_xgboost(const TrainOptions& options);

// What the module exports as `extern "C" Training spate_xgboost_training()`.
struct Training {
  Result<BuildReport> (*train)(const TrainOptions&) = nullptr;
};
constexpr const char* kTrainingModule = "model_xgboost";
constexpr const char* kTrainingSymbol = "spate_xgboost_training";

}  // namespace spate::models::xgboost
