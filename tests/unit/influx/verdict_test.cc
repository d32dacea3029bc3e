// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate::influx {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VerdictTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model_.name = "m";
    model_.window.planned = 1000;
    model_.offered = {{0.0, 10.0, 600, 600}, {10.0, 20.0, 400, 400}};
    model_.lag.record(milliseconds(1), 1000);
    model_.latency.record(milliseconds(5), 1000);
  }
  Verdict judged(Duration slo = std::chrono::seconds(1)) {
    VerdictInput input;
    input.models = {&model_};
    input.tightest_slo = slo;
    input.stopped_early = stopped_;
    input.stopped_at_s = 3.5;
    return judge(input, {});
  }
  ModelReport model_;
  bool stopped_ = false;
};

TEST_F(VerdictTest, ADeliveredLoadIsValid) {
  const Verdict v = judged();
  EXPECT_TRUE(v.valid);
  EXPECT_THAT(v.reasons, IsEmpty());
  EXPECT_THAT(v.warnings, IsEmpty());
}

TEST_F(VerdictTest, WrongLateAndLostAnswersAreResultsNotReasons) {
  model_.window.lost = 500;
  model_.window.wrong = 300;
  model_.window.late = 200;
  EXPECT_TRUE(judged().valid);
}

TEST_F(VerdictTest, LagP99IsLimitedByTheLargerOfTenMsAndAHundredthOfTheSlo) {
  model_.lag.clear();
  model_.lag.record(milliseconds(1), 989);
  model_.lag.record(milliseconds(30), 11);
  EXPECT_THAT(judged(milliseconds(50)).reasons, ElementsAre(HasSubstr("lag p99 30.00 ms")));
  EXPECT_FALSE(judged(std::chrono::seconds(1)).valid);
  EXPECT_TRUE(judged(std::chrono::seconds(4)).valid) << "1 % of 4 s is 40 ms";
  model_.lag.clear();
  model_.lag.record(milliseconds(1), 990);
  model_.lag.record(milliseconds(500), 10);
  EXPECT_TRUE(judged(milliseconds(50)).valid) << "the p99 itself is in time";
  EXPECT_EQ(VerdictRules{}.lag_limit(milliseconds(50)), milliseconds(10));
}

TEST_F(VerdictTest, OfferedMayMissByOnePerCentAndOneRequest) {
  model_.offered[0].sent = 607;  // 1 % of 600 and 1
  EXPECT_TRUE(judged().valid);
  model_.offered[0].sent = 608;
  EXPECT_THAT(judged().reasons, ElementsAre(HasSubstr("1 of 2 stretches")));
  model_.offered[0].sent = 593;
  EXPECT_TRUE(judged().valid);
  model_.offered[0].sent = 592;
  EXPECT_FALSE(judged().valid);
  model_.offered = {{0.0, 10.0, 0, 1}};
  EXPECT_TRUE(judged().valid);
}

TEST_F(VerdictTest, SheddingAndStoppingAndTooFewSamplesAreReasons) {
  model_.window.shed = 3;
  stopped_ = true;
  model_.window.planned = 19;
  EXPECT_THAT(judged().reasons, ElementsAre(HasSubstr("stopped before its end, at 3.5 s"),
                                            HasSubstr("the generator shed 3 requests"),
                                            HasSubstr("too few samples")));
}

TEST_F(VerdictTest, AP99OfFewAnswersIsAWarning) {
  model_.window.planned = 20;
  model_.latency.clear();
  model_.latency.record(milliseconds(5), 20);
  const Verdict v = judged();
  EXPECT_TRUE(v.valid);
  EXPECT_THAT(v.warnings, ElementsAre(HasSubstr("the p99 rests on 20 answers")));
}

TEST(Wilson, MatchesKnownValues) {
  // Worked by hand: n = 10, p = 0.8.
  const Interval i = wilson(8, 10);
  EXPECT_NEAR(i.low, 0.4902, 1e-4);
  EXPECT_NEAR(i.high, 0.9433, 1e-4);
  EXPECT_EQ(wilson(0, 0).high, 1.0);
  EXPECT_NEAR(wilson(100, 100).low, 0.9630, 1e-4);
  EXPECT_EQ(wilson(100, 100).high, 1.0);
}

}  // namespace
}  // namespace spate::influx
