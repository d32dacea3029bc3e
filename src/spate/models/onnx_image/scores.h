// SPDX-License-Identifier: Apache-2.0
//
// From a graph's raw scores to ranked classes with probabilities.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/model.h"
#include "spate/models/onnx_image/preprocess.h"

namespace spate::models {

// `scores`: `count` rows of one score a class. One prediction a row, the settings.top_k most
// probable classes first (ties: the lower index). Internal: the graph gave another number of
// scores, or one that is not a number.
Result<std::vector<RowPrediction>> rank_scores(std::span<const float> scores, std::size_t count,
                                               const std::vector<std::string>& classes,
                                               const ImageSettings& settings);

}  // namespace spate::models
