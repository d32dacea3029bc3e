// SPDX-License-Identifier: Apache-2.0
#include "spate/models/linear.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/check.h"
#include "spate/base/files.h"

namespace spate::models {

using nlohmann::json;

LinearModel::LinearModel(Manifest manifest, LinearParameters parameters)
    : manifest_(std::move(manifest)),
      parameters_(std::move(parameters)),
      decoder_(manifest_.features) {
  SPATE_CHECK(parameters_.coefficients.size() == manifest_.features.size(),
              "one coefficient per feature");
  SPATE_CHECK(parameters_.means.size() == manifest_.features.size(), "one mean per feature");
}

double LinearModel::value(const double* row) const {
  double sum = parameters_.intercept;
  for (std::size_t j = 0; j < parameters_.coefficients.size(); ++j) {
    sum += parameters_.coefficients[j] * row[j];
  }
  return sum;
}

Result<Prediction> LinearModel::predict_one(const Input& input) const {
  thread_local TableRows rows;
  if (auto status = decoder_.decode(input, rows); !status) return status.error();
  Prediction prediction;
  prediction.many = rows.many;
  prediction.rows.resize(rows.rows);
  const std::size_t columns = manifest_.features.size();
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const double y = value(rows.values.data() + i * columns);
    if (!std::isfinite(y)) {
      return Error{ErrorCode::InvalidArgument,
                   "row " + std::to_string(i) +
                       ": the prediction overflows; a feature is out of any sensible range"};
    }
    prediction.rows[i].value = y;
  }
  return prediction;
}

std::vector<Result<Prediction>> LinearModel::predict(std::span<const Input> inputs) {
  std::vector<Result<Prediction>> out;
  out.reserve(inputs.size());
  for (const auto& input : inputs) out.push_back(predict_one(input));
  return out;
}

std::string LinearModel::sample_payload() const { return features_payload(parameters_.means); }

Result<std::unique_ptr<Model>> load_linear(const std::filesystem::path& directory,
                                           const Manifest& manifest) {
  const auto file = directory / kLinearFile;
  const auto wrong = [&](const std::string& what) {
    return Error{ErrorCode::InvalidArgument, file.string() + ": " + what};
  };
  if (manifest.features.empty()) return wrong("the manifest names no features");
  if (manifest.task != Task::Regression) return wrong("a linear model is for regression only");
  if (!manifest.files.contains(kLinearFile)) {
    return wrong("the manifest does not list this file");
  }
  if (auto status = verify_files(directory, manifest); !status) return status.error();
  auto text = read_file(file);
  if (!text) return text.error();
  const json object = json::parse(*text, nullptr, false);
  if (object.is_discarded() || !object.is_object()) return wrong("is not a JSON object");
  LinearParameters parameters;
  try {
    parameters.intercept = object.at("intercept").get<double>();
    parameters.coefficients = object.at("coefficients").get<std::vector<double>>();
    parameters.means = object.at("means").get<std::vector<double>>();
  } catch (const json::exception& error) {
    return wrong(std::string("expected intercept, coefficients and means: ") + error.what());
  }
  const std::size_t n = manifest.features.size();
  if (parameters.coefficients.size() != n || parameters.means.size() != n) {
    return wrong("expected " + std::to_string(n) + " coefficients and means, as many as features");
  }
  return std::unique_ptr<Model>(std::make_unique<LinearModel>(manifest, std::move(parameters)));
}

Result<Manifest> save_linear(const std::filesystem::path& directory, Manifest manifest,
                             const LinearParameters& parameters) {
  nlohmann::ordered_json out;
  out["intercept"] = parameters.intercept;
  out["coefficients"] = parameters.coefficients;
  out["means"] = parameters.means;
  if (auto status = write_file(directory / kLinearFile, out.dump(2) + "\n"); !status) {
    return status.error();
  }
  return seal_model(directory, std::move(manifest), {kLinearFile});
}

}  // namespace spate::models
