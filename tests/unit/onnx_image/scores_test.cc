// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

namespace spate::models {
namespace {

const std::vector<std::string> kClasses = {"a", "b", "c"};

TEST(RankScores, SoftmaxOfLogitsMostProbableFirst) {
  const auto rows = rank_scores(std::array{1.0F, 3.0F, 2.0F}, 1, kClasses, ImageSettings{});
  ASSERT_TRUE(rows);
  const auto& top = rows->at(0).top;
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0].label, "b");
  EXPECT_EQ(top[0].index, 1);
  EXPECT_EQ(top[1].label, "c");
  const double sum = std::exp(1.0) + std::exp(2.0) + std::exp(3.0);
  EXPECT_NEAR(top[0].probability, std::exp(3.0) / sum, 1e-9);
  EXPECT_NEAR(top[2].probability, std::exp(1.0) / sum, 1e-9);
}

TEST(RankScores, HugeLogitsDoNotOverflow) {
  const auto rows = rank_scores(std::array{1e30F, -1e30F, 1e30F}, 1, kClasses, ImageSettings{});
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->at(0).top[0].label, "a");  // a tie: the lower index
  EXPECT_NEAR(rows->at(0).top[0].probability, 0.5, 1e-9);
}

TEST(RankScores, ProbabilitiesAreTakenAsTheyAre) {
  ImageSettings settings;
  settings.output_kind = OutputKind::Probabilities;
  const auto rows = rank_scores(std::array{0.2F, 0.7F, 0.1F}, 1, kClasses, settings);
  ASSERT_TRUE(rows);
  EXPECT_NEAR(rows->at(0).top[0].probability, 0.7, 1e-6);
}

TEST(RankScores, ARowAnImageAndNoMoreThanTopK) {
  ImageSettings settings;
  settings.top_k = 1;
  const auto rows =
      rank_scores(std::array{9.0F, 0.0F, 0.0F, 0.0F, 0.0F, 9.0F}, 2, kClasses, settings);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  ASSERT_EQ(rows->at(0).top.size(), 1U);
  EXPECT_EQ(rows->at(0).top[0].label, "a");
  EXPECT_EQ(rows->at(1).top[0].label, "c");
}

TEST(RankScores, WhatTheGraphMustNotGive) {
  EXPECT_FALSE(rank_scores(std::array{1.0F, 2.0F}, 1, kClasses, ImageSettings{}));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY}) {
    const auto rows = rank_scores(std::array{1.0F, bad, 2.0F}, 1, kClasses, ImageSettings{});
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().code, ErrorCode::Internal);
  }
}

}  // namespace
}  // namespace spate::models
