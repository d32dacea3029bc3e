// SPDX-License-Identifier: Apache-2.0
#include "spate/models/xgboost/xgboost_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "spate/base/files.h"

namespace spate::models::xgboost {
namespace {

// The double that a person reads in the float's shortest decimal form: 0.1F gives 0.1, not
// 0.10000000149. Answers stay as short as the precision behind them.
double widened(float value) {
  char digits[32];
  const auto written = std::to_chars(digits, digits + sizeof digits, value);
  double out = static_cast<double>(value);
  std::from_chars(digits, written.ptr, out);
  return out;
}

}  // namespace

Result<std::unique_ptr<Model>> XgboostModel::load(const std::filesystem::path& directory,
                                                  const Manifest& manifest) {
  const auto file = directory / kModelFile;
  const auto wrong = [&](const std::string& what) {
    return Error{ErrorCode::InvalidArgument, file.string() + ": " + what};
  };
  if (manifest.features.empty()) return wrong("the manifest names no features");
  if (!manifest.files.contains(kModelFile)) return wrong("the manifest does not list this file");
  if (auto status = verify_files(directory, manifest); !status) return status.error();
  std::vector<double> sample_row;
  try {
    sample_row =
        nlohmann::json::parse(manifest.settings_json).at("sample_row").get<std::vector<double>>();
  } catch (const nlohmann::json::exception&) {
    return wrong("the manifest's settings have no sample_row (a list of numbers)");
  }
  auto bytes = read_file(file);
  if (!bytes) return bytes.error();
  auto booster = Booster::load(*bytes);
  if (!booster) return wrong(booster.error().message);
  const auto features = booster->features();
  if (!features) return features.error();
  if (*features != manifest.features.size() || sample_row.size() != *features) {
    return wrong(fmt::format("takes {} features, the manifest names {}", *features,
                             manifest.features.size()));
  }
  auto model = std::make_unique<XgboostModel>(manifest, std::move(*booster), std::move(sample_row));
  // libxgboost completes its configuration at the first prediction: do that before threads come.
  const std::string payload = model->sample_payload();
  const Input input{"application/json", payload};
  auto first = model->predict({&input, 1});
  if (!first.front()) return wrong(first.front().error().message);
  return std::unique_ptr<Model>(std::move(model));
}

XgboostModel::XgboostModel(Manifest manifest, Booster booster, std::vector<double> sample_row)
    : manifest_(std::move(manifest)),
      booster_(std::move(booster)),
      decoder_(manifest_.features),
      sample_row_(std::move(sample_row)) {}

std::size_t XgboostModel::outputs_per_row() const {
  // A two-class model gives one number, the probability of class 1.
  return manifest_.classes.size() > 2 ? manifest_.classes.size() : 1;
}

Result<Prediction> XgboostModel::read(const Input& input, std::vector<float>& x) const {
  thread_local TableRows rows;
  if (auto status = decoder_.decode(input, rows); !status) return status.error();
  const std::size_t start = x.size();
  for (std::size_t k = 0; k < rows.values.size(); ++k) {
    const auto value = static_cast<float>(rows.values[k]);
    if (!std::isfinite(value)) {
      x.resize(start);
      const std::size_t feature = k % manifest_.features.size();
      return Error{ErrorCode::InvalidArgument,
                   fmt::format("feature {} ({}): {} is out of the range of float32", feature + 1,
                               manifest_.features[feature], rows.values[k])};
    }
    x.push_back(value);
  }
  Prediction prediction;
  prediction.many = rows.many;
  prediction.rows.resize(rows.rows);
  return prediction;
}

RowPrediction XgboostModel::row_of(std::span<const float> outputs) const {
  RowPrediction row;
  if (manifest_.task == Task::Regression) {
    row.value = widened(outputs[0]);
    return row;
  }
  const float two[] = {1.0F - outputs[0], outputs[0]};
  const std::span<const float> by_class = outputs.size() == 1 ? two : outputs;
  std::vector<int> order(by_class.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = static_cast<std::ptrdiff_t>(std::min(order.size(), kTopClasses));
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int a, int b) {
    const float pa = by_class[static_cast<std::size_t>(a)];
    const float pb = by_class[static_cast<std::size_t>(b)];
    return pa != pb ? pa > pb : a < b;
  });
  for (std::ptrdiff_t k = 0; k < count; ++k) {
    const int index = order[static_cast<std::size_t>(k)];
    const auto i = static_cast<std::size_t>(index);
    row.top.push_back({index, manifest_.classes[i], widened(by_class[i])});
  }
  return row;
}

std::vector<Result<Prediction>> XgboostModel::predict(std::span<const Input> inputs) {
  thread_local std::vector<float> x;
  x.clear();
  std::vector<Result<Prediction>> out;
  out.reserve(inputs.size());
  for (const auto& input : inputs) out.push_back(read(input, x));
  if (x.empty()) return out;
  const auto outputs = booster_.predict(x, manifest_.features.size());
  const std::size_t width = outputs_per_row();
  const std::size_t rows = x.size() / manifest_.features.size();
  const bool failed = !outputs || outputs->size() != rows * width;
  std::size_t at = 0;
  for (auto& result : out) {
    if (!result) continue;
    if (failed) {
      result = outputs ? Error{ErrorCode::Internal,
                               fmt::format("xgboost: expected {} numbers for {} rows, got {}",
                                           rows * width, rows, outputs->size())}
                       : outputs.error();
      continue;
    }
    for (auto& row : result->rows) {
      row = row_of(outputs->subspan(at, width));
      at += width;
    }
  }
  return out;
}

}  // namespace spate::models::xgboost
