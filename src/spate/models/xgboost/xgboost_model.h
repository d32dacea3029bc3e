// SPDX-License-Identifier: Apache-2.0
//
// XgboostModel: serves boosted trees for regression and classification. Files: model.ubj.
// All rows of a predict() call are computed in one pass over the trees.
//
// Threads: predict() from any number of threads.
#pragma once

#include <filesystem>
#include <memory>

#include "spate/models/load.h"
#include "spate/models/table_input.h"
#include "spate/models/xgboost/booster.h"

namespace spate::models::xgboost {

constexpr const char* kModelFile = "model.ubj";
// Classes in an answer at most.
constexpr std::size_t kTopClasses = 5;

class XgboostModel final : public Model {
 public:
  static Result<std::unique_ptr<Model>> load(const std::filesystem::path& directory,
                                             const Manifest& manifest);

  XgboostModel(Manifest manifest, Booster booster, std::vector<double> sample_row);

  const Manifest& manifest() const override { return manifest_; }
  std::vector<Result<Prediction>> predict(std::span<const Input> inputs) override;
  std::string sample_payload() const override { return features_payload(sample_row_); }
  // One thread always: see Booster::load().
  void set_intra_op_threads(int) override {}

 private:
  // Appends the rows of `input` to `x`; the prediction with as many empty rows.
  Result<Prediction> read(const Input& input, std::vector<float>& x) const;
  RowPrediction row_of(std::span<const float> outputs) const;
  std::size_t outputs_per_row() const;

  Manifest manifest_;
  Booster booster_;
  TableDecoder decoder_;
  std::vector<double> sample_row_;
};

}  // namespace spate::models::xgboost
