// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace spate::models {
namespace {

std::vector<double> probabilities(std::span<const float> row, OutputKind kind) {
  std::vector<double> result(row.begin(), row.end());
  if (kind == OutputKind::Probabilities) {
    for (double& value : result) value = std::clamp(value, 0.0, 1.0);
    return result;
  }
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0.0;
  for (double& value : result) sum += value = std::exp(value - largest);
  for (double& value : result) value /= sum;
  return result;
}

}  // namespace

Result<std::vector<RowPrediction>> rank_scores(std::span<const float> scores, std::size_t count,
                                               const std::vector<std::string>& classes,
                                               const ImageSettings& settings) {
  if (classes.empty() || scores.size() != count * classes.size()) {
    return Error{ErrorCode::Internal,
                 fmt::format("the graph gave {} scores for {} image(s) and {} classes",
                             scores.size(), count, classes.size())};
  }
  if (!std::all_of(scores.begin(), scores.end(), [](float s) { return std::isfinite(s); })) {
    return Error{ErrorCode::Internal, "the graph gave a score that is not a finite number"};
  }
  std::vector<RowPrediction> rows(count);
  const std::size_t top = std::min(classes.size(), static_cast<std::size_t>(settings.top_k));
  std::vector<int> order(classes.size());
  for (std::size_t r = 0; r < count; ++r) {
    const auto row =
        probabilities(scores.subspan(r * classes.size(), classes.size()), settings.output_kind);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                      [&row](int a, int b) {
                        const double pa = row[static_cast<std::size_t>(a)];
                        const double pb = row[static_cast<std::size_t>(b)];
                        return pa != pb ? pa > pb : a < b;
                      });
    for (std::size_t i = 0; i < top; ++i) {
      const auto index = static_cast<std::size_t>(order[i]);
      rows[r].top.push_back({order[i], classes[index], row[index]});
    }
  }
  return rows;
}

}  // namespace spate::models
