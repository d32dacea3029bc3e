// SPDX-License-Identifier: Apache-2.0
//
// LinearModel: y = intercept + Σ coefficient_j · x_j, served in well under a microsecond a row.
// Made by fit_linear() (linear_fit.h) and loaded by load_model(). File: linear.json.
//
// Threads: predict() from any number of threads.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/model.h"
#include "spate/models/table_input.h"

namespace spate::models {

constexpr const char* kLinearFile = "linear.json";

struct LinearParameters {
  double intercept = 0.0;
  std::vector<double> coefficients;  // by feature, for the features' own units
  std::vector<double> means;         // by feature, of the rows it was fitted on
};

class LinearModel final : public Model {
 public:
  // Requires one coefficient and one mean for each of manifest.features.
  LinearModel(Manifest manifest, LinearParameters parameters);

  const Manifest& manifest() const override { return manifest_; }
  std::vector<Result<Prediction>> predict(std::span<const Input> inputs) override;
  std::string sample_payload() const override;
  void set_intra_op_threads(int) override {}

  // `row` has one number per feature.
  double value(const double* row) const;
  const LinearParameters& parameters() const { return parameters_; }

 private:
  Result<Prediction> predict_one(const Input& input) const;

  Manifest manifest_;
  LinearParameters parameters_;
  TableDecoder decoder_;
};

// Reads linear.json, checked against the manifest's sha256.
Result<std::unique_ptr<Model>> load_linear(const std::filesystem::path& directory,
                                           const Manifest& manifest);
// Writes linear.json and manifest.json; completes and returns the manifest.
Result<Manifest> save_linear(const std::filesystem::path& directory, Manifest manifest,
                             const LinearParameters& parameters);

}  // namespace spate::models
