// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/prediction.h"

#include <gtest/gtest.h>

#include <cmath>

namespace spate::judge {
namespace {

// Percentiles as printed in every table of Student's t.
TEST(Prediction, StudentsTAgreesWithTheTables) {
  EXPECT_NEAR(student_t_quantile(0.95, 1), 6.314, 5e-4);
  EXPECT_NEAR(student_t_quantile(0.95, 2), 2.920, 5e-4);
  EXPECT_NEAR(student_t_quantile(0.95, 4), 2.132, 5e-4);
  EXPECT_NEAR(student_t_quantile(0.975, 9), 2.262, 5e-4);
  EXPECT_NEAR(student_t_quantile(0.95, 120), 1.658, 5e-4);
  EXPECT_NEAR(student_t_quantile(0.05, 4), -2.132, 5e-4);
  EXPECT_NEAR(student_t_quantile(0.5, 7), 0.0, 1e-12);
}

// By hand: mean 12, squares 4 + 1 + 0 + 1 + 4 = 10, s = sqrt(10/4) = 1.58114,
// t(0.95, 4) = 2.13185, sqrt(1 + 1/5) = 1.09545: half width 3.69246.
TEST(Prediction, FiveValuesByHand) {
  const auto found = prediction_interval({10.0, 11.0, 12.0, 13.0, 14.0});
  ASSERT_TRUE(found);
  EXPECT_DOUBLE_EQ(found->mean, 12.0);
  EXPECT_NEAR(found->low, 12.0 - 3.69246, 1e-4);
  EXPECT_NEAR(found->high, 12.0 + 3.69246, 1e-4);
  EXPECT_DOUBLE_EQ(found->confidence, 0.9);
}

// By hand: s = sqrt(2), t(0.95, 1) = 6.31375, sqrt(1.5): half width 10.9357.
TEST(Prediction, TwoValuesSayLittle) {
  const auto found = prediction_interval({1.0, 3.0});
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->high - found->mean, 10.9357, 1e-3);
}

TEST(Prediction, OneValueSaysNothing) {
  EXPECT_FALSE(prediction_interval({1.0}));
  EXPECT_FALSE(prediction_interval({}));
}

TEST(Prediction, EqualValuesHaveNoWidth) {
  const auto found = prediction_interval({2.0, 2.0, 2.0});
  ASSERT_TRUE(found);
  EXPECT_DOUBLE_EQ(found->low, 2.0);
  EXPECT_DOUBLE_EQ(found->high, 2.0);
}

// Order makes no difference, and a wider confidence makes a wider interval.
TEST(Prediction, GrowsWithTheConfidence) {
  const auto narrow = prediction_interval({3.0, 1.0, 2.0}, 0.8);
  const auto wide = prediction_interval({1.0, 2.0, 3.0}, 0.99);
  ASSERT_TRUE(narrow && wide);
  EXPECT_GT(narrow->low, wide->low);
  EXPECT_LT(narrow->high, wide->high);
}

}  // namespace
}  // namespace spate::judge
