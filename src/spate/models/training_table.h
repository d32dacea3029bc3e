// SPDX-License-Identifier: Apache-2.0
//
// TrainingTable: a CSV's columns as numbers, for fitting models of tables; and the ways to
// part it into rows to fit and rows to judge by. Used by the builders of linear and xgboost.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/manifest.h"

namespace spate::models {

struct TrainingTable {
  std::vector<std::string> features;
  std::string target;
  std::vector<double> x;                // rows × features, row after row; a missing cell is NaN
  std::vector<std::string> labels;      // the target's cells, spaces around them removed
  std::vector<std::string> sources;     // "wine.csv:12", for messages
  std::size_t rows_without_target = 0;  // dropped
  std::vector<std::size_t> missing_per_feature;  // by feature, of the rows kept

  std::size_t rows() const { return labels.size(); }
  double at(std::size_t row, std::size_t feature) const {
    return x[row * features.size() + feature];
  }
  std::size_t missing_cells() const;
  // The rows `chosen`, in that order.
  TrainingTable take(const std::vector<std::size_t>& chosen) const;
};

// Every column but `target` is a feature when `features` is empty. InvalidArgument: the target
// or a feature is no column (the nearest name is given), a feature's cell holds text (line and
// column are given), a feature has no number at all, or no row is left. Blocks.
Result<TrainingTable> read_training_table(const std::filesystem::path& csv,
                                          const std::string& target,
                                          const std::vector<std::string>& features);

// The target as numbers; InvalidArgument names the first cell that is none.
Result<std::vector<double>> numeric_target(const TrainingTable& table);

// How a model of tables is built; what `spate model build linear|xgboost` takes.
struct TableBuildOptions {
  std::filesystem::path csv;  // either this, with target and features…
  std::string target;
  std::vector<std::string> features;  // empty: every other column
  std::filesystem::path dataset;  // …or a directory with train.csv, held_out.csv, dataset.json
  std::filesystem::path out;
  // Only with `csv`: the share of rows held out to judge by, in [0, 0.9]; 0: none, no quality.
  double held_out_share = 0.2;
  bool held_out_last = false;  // hold out the last rows (time series), not a random choice
  std::uint64_t seed = 1;      // of the random choice
  // Only with `csv`: after judging, fit again on all rows and save that model.
  bool refit = true;
  std::string created_by;  // command line, for the manifest
};

struct TrainingData {
  TrainingTable fit;               // rows to fit on, to be judged by `held_out`
  TrainingTable held_out;          // may be empty
  TrainingTable final_fit;         // rows for the model that is saved
  bool refit = false;              // final_fit is fit and held_out together
  std::optional<Task> task;        // as dataset.json says
  std::string how_split;           // a sentence
  std::vector<std::string> notes;  // sentences: rows dropped, cells missing
};

Result<TrainingData> load_training_data(const TableBuildOptions& options);

// A finished build: what was saved, and sentences for the person who asked for it.
struct BuildReport {
  Manifest manifest;
  std::vector<std::string> notes;
};

}  // namespace spate::models
