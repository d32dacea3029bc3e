// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/surge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate::lab {
namespace {

InfluxSample second(double t_s, double sent, double in_time) {
  InfluxSample s;
  s.t_s = t_s;
  s.planned = s.sent = sent;
  s.in_time = in_time;
  return s;
}

TEST(Surge, BeginsAtAStepUpAndEndsAtTheStepDown) {
  const auto rate = [](double t) { return t < 15 ? 1.0 : t < 45 ? 5.0 : t < 75 ? 1.0 : 5.0; };
  const auto surges = find_surges(rate, 105.0);
  ASSERT_EQ(surges.size(), 2U);
  EXPECT_DOUBLE_EQ(surges[0].from_s, 15.0);
  EXPECT_DOUBLE_EQ(surges[0].until_s, 45.0);
  EXPECT_DOUBLE_EQ(surges[0].rate_per_s, 5.0);
  EXPECT_DOUBLE_EQ(surges[1].from_s, 75.0);
  EXPECT_DOUBLE_EQ(surges[1].until_s, 105.0) << "open at the end of the run";
}

TEST(Surge, ASecondStepUpEndsTheFirst) {
  const auto surges = find_surges([](double t) { return t < 2 ? 1.0 : t < 5 ? 2.0 : 4.0; }, 8.0);
  ASSERT_EQ(surges.size(), 2U);
  EXPECT_DOUBLE_EQ(surges[0].until_s, 5.0);
  EXPECT_DOUBLE_EQ(surges[1].from_s, 5.0);
}

TEST(Surge, StartingFromNothingIsASurge) {
  EXPECT_EQ(find_surges([](double t) { return t < 3 ? 0.0 : 1.0; }, 6.0).size(), 1U);
}

TEST(Surge, RampsAndConstantsHaveNone) {
  EXPECT_TRUE(find_surges([](double) { return 3.0; }, 60.0).empty());
  EXPECT_TRUE(find_surges([](double t) { return 1.0 + t; }, 60.0).empty());
}

TEST(Surge, ARiseOfLessThanHalfIsNone) {
  EXPECT_TRUE(find_surges([](double t) { return t < 5 ? 1.0 : 1.49; }, 10.0).empty());
  EXPECT_EQ(find_surges([](double t) { return t < 5 ? 1.0 : 1.5; }, 10.0).size(), 1U);
}

TEST(Surge, AttainmentAfterCountsFromTwentySecondsOnUntilItsEnd) {
  std::vector<InfluxSample> samples;
  // Surge [10, 40): misses everything for 8 s, half for the rest of the first 20, then 9 in 10.
  for (int t = 0; t < 50; ++t) {
    const double in_time = t < 10 ? 10 : t < 18 ? 0 : t < 30 ? 5 : t < 40 ? 9 : 0;
    samples.push_back(second(t, 10, in_time));
  }
  const auto result = judge_surge({10.0, 40.0, 10.0}, samples, 0.9);
  EXPECT_DOUBLE_EQ(result.asked, 300.0);
  EXPECT_DOUBLE_EQ(*result.attainment, (12 * 5 + 10 * 9) / 300.0);
  EXPECT_DOUBLE_EQ(result.asked_after, 100.0);
  EXPECT_DOUBLE_EQ(*result.attainment_after, 0.9);
  EXPECT_DOUBLE_EQ(*result.recovery_s, 20.0);
}

TEST(Surge, RecoveryIsZeroWhenItNeverMissedAndUnsetWhenItNeverHeld) {
  std::vector<InfluxSample> good, bad;
  for (int t = 0; t < 30; ++t) {
    good.push_back(second(t, 4, 4));
    bad.push_back(second(t, 4, 1));
  }
  EXPECT_DOUBLE_EQ(*judge_surge({5.0, 30.0, 4.0}, good, 0.95).recovery_s, 0.0);
  EXPECT_FALSE(judge_surge({5.0, 30.0, 4.0}, bad, 0.95).recovery_s.has_value());
}

TEST(Surge, ALateRelapsePostponesRecovery) {
  std::vector<InfluxSample> samples;
  for (int t = 0; t < 30; ++t) samples.push_back(second(t, 10, t >= 20 && t < 24 ? 0 : 10));
  // Good from the start, but what follows second 0 has a hole: only from 24 on does it hold.
  EXPECT_DOUBLE_EQ(*judge_surge({0.0, 30.0, 10.0}, samples, 0.95).recovery_s, 24.0);
}

TEST(Surge, AShortSurgeHasNoAfter) {
  const auto result = judge_surge({0.0, 10.0, 1.0}, {second(1, 1, 1)}, 0.9);
  EXPECT_FALSE(result.attainment_after.has_value());
  EXPECT_TRUE(result.attainment.has_value());
}

}  // namespace
}  // namespace spate::lab
