// SPDX-License-Identifier: Apache-2.0
//
// Ridge classifier: the final layer of the built ResNet-50. One linear score a class, fitted by
// least squares on one-hot targets with a penalty; features are standardised first. The penalty
// is chosen by cross-validation within the training samples, and so is the factor that turns
// scores into logits whose softmax fits the classes best (temperature scaling, Guo et al. 2017).
//
// Threads: a function without state.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "spate/base/result.h"

namespace spate::models {

struct RidgeSamples {
  Eigen::MatrixXd features;  // one row a sample
  std::vector<int> labels;   // [0, classes)
  // Samples of one group (an image and its mirror image) are never on both sides of a
  // validation split. Each group's samples are of one class.
  std::vector<int> groups;
  int classes = 0;
};

struct RidgeClassifier {
  Eigen::MatrixXd weights;  // classes x features: logits = weights * features + bias
  Eigen::VectorXd bias;
  double penalty = 0.0;              // over the mean squared length of the standardised samples
  double validation_accuracy = 0.0;  // of the cross-validation, at that penalty
};

// InvalidArgument: fewer than two classes or a class with fewer than two groups.
Result<RidgeClassifier> fit_ridge_classifier(const RidgeSamples& samples, std::uint64_t seed);

}  // namespace spate::models
