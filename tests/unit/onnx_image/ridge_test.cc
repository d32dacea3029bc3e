// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/build/ridge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "spate/base/rng.h"

namespace spate::models {
namespace {

using ::testing::HasSubstr;

// `signal`: how far class c's samples lie along feature c.
RidgeSamples clusters(int per_class, int classes, int features, double signal,
                      std::uint64_t seed = 3) {
  Rng rng(seed, "clusters");
  RidgeSamples samples;
  samples.classes = classes;
  samples.features.resize(per_class * classes, features);
  for (int i = 0; i < per_class * classes; ++i) {
    const int label = i % classes;
    samples.labels.push_back(label);
    samples.groups.push_back(i);
    for (int f = 0; f < features; ++f) {
      // A large offset and scale: standardising must take them out again.
      samples.features(i, f) = 50 + 10 * ((f == label ? signal : 0.0) + rng.normal());
    }
  }
  return samples;
}

double accuracy(const RidgeClassifier& fitted, const RidgeSamples& samples) {
  int right = 0;
  for (Eigen::Index i = 0; i < samples.features.rows(); ++i) {
    const Eigen::VectorXd logits =
        fitted.weights * samples.features.row(i).transpose() + fitted.bias;
    Eigen::Index best = 0;
    logits.maxCoeff(&best);
    right += best == samples.labels[static_cast<std::size_t>(i)] ? 1 : 0;
  }
  return right / static_cast<double>(samples.features.rows());
}

TEST(Ridge, ClassifiesUnseenSamples) {
  // Fewer features than samples, and more: 300 are mostly noise, so the signal must be stronger.
  for (const auto& [features, signal] : {std::pair{12, 4.0}, std::pair{300, 8.0}}) {
    const auto fitted = fit_ridge_classifier(clusters(40, 4, features, signal), 1);
    ASSERT_TRUE(fitted) << fitted.error().message;
    EXPECT_GT(accuracy(*fitted, clusters(60, 4, features, signal, 99)), 0.9) << features;
    EXPECT_GT(fitted->validation_accuracy, 0.8) << features;  // from four fifths of the samples
  }
}

TEST(Ridge, NoiseTakesALargePenaltyAndIsNotBelieved) {
  const auto noise = fit_ridge_classifier(clusters(30, 3, 400, 0.0), 1);
  const auto clear = fit_ridge_classifier(clusters(30, 3, 400, 8.0), 1);
  ASSERT_TRUE(noise && clear);
  EXPECT_LT(noise->validation_accuracy, 0.55);
  const auto unseen = clusters(50, 3, 400, 0.0, 7);
  double confidence = 0.0;
  for (Eigen::Index i = 0; i < unseen.features.rows(); ++i) {
    const Eigen::VectorXd logits =
        noise->weights * unseen.features.row(i).transpose() + noise->bias;
    confidence += 1.0 / (logits.array() - logits.maxCoeff()).exp().sum();
  }
  EXPECT_LT(confidence / static_cast<double>(unseen.features.rows()), 0.55);
}

TEST(Ridge, TwinsAreNeverOnBothSidesOfASplit) {
  // Each group is a sample twice. Were twins split, one would give the other's label away.
  auto samples = clusters(20, 2, 200, 0.0);
  RidgeSamples twins = samples;
  const Eigen::Index rows = samples.features.rows();
  twins.features.resize(2 * rows, samples.features.cols());
  twins.features << samples.features, samples.features;
  twins.labels.insert(twins.labels.end(), samples.labels.begin(), samples.labels.end());
  twins.groups.insert(twins.groups.end(), samples.groups.begin(), samples.groups.end());
  const auto grouped = fit_ridge_classifier(twins, 1);
  std::iota(twins.groups.begin(), twins.groups.end(), 0);
  const auto leaking = fit_ridge_classifier(twins, 1);
  ASSERT_TRUE(grouped && leaking);
  EXPECT_LT(grouped->validation_accuracy, 0.75);
  EXPECT_GT(leaking->validation_accuracy, 0.75);
}

TEST(Ridge, EqualSeedsGiveEqualClassifiers) {
  const auto samples = clusters(20, 3, 30, 2.0);
  const auto first = fit_ridge_classifier(samples, 5);
  const auto second = fit_ridge_classifier(samples, 5);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->weights, second->weights);
  EXPECT_EQ(first->bias, second->bias);
}

TEST(Ridge, AConstantFeatureHarmsNothing) {
  auto samples = clusters(20, 2, 5, 4.0);
  samples.features.col(4).setConstant(3.0);
  const auto fitted = fit_ridge_classifier(samples, 1);
  ASSERT_TRUE(fitted);
  EXPECT_TRUE(fitted->weights.allFinite());
  EXPECT_GT(accuracy(*fitted, samples), 0.9);
}

TEST(Ridge, TooLittleToLearnFrom) {
  auto samples = clusters(4, 2, 3, 1.0);
  samples.classes = 3;
  EXPECT_THAT(fit_ridge_classifier(samples, 1).error().message, HasSubstr("class 2 has 0"));
  samples.classes = 1;
  EXPECT_THAT(fit_ridge_classifier(samples, 1).error().message, HasSubstr("two classes"));
}

}  // namespace
}  // namespace spate::models
