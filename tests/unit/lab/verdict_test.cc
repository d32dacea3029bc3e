// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

RunResult run(const std::string& strategy, int repetition, double attained, double cost,
              bool valid = true) {
  ModelResult m;
  m.model = "m";
  m.slo_target = 0.95;
  m.asked = m.sent = 1000;
  m.answered = 1000;
  m.in_time = 1000 * attained;
  m.slo_attainment = attained;
  m.cost.total = cost;
  RunResult out;
  out.run = strategy + "-" + std::to_string(repetition);
  out.strategy = out.kind = strategy;
  out.repetition = repetition;
  out.valid = valid;
  out.models = {m};
  out.cost = cost;
  return out;
}

TEST(Verdict, TheCheapestThatQualifiesWins) {
  const auto c = compare_runs(
      {run("none", 1, 0.4, 1.0), run("horizontal", 1, 0.97, 3.0), run("vertical", 1, 0.96, 2.0)},
      {"none", "horizontal", "vertical"});
  EXPECT_EQ(c.verdict.outcome, "winner");
  EXPECT_THAT(c.verdict.winners, ElementsAre("vertical"));
  EXPECT_THAT(c.verdict.text, HasSubstr("33 % less than horizontal"));
  EXPECT_FALSE(c.strategies[0].qualifies) << "cheap but late";
}

TEST(Verdict, AttainmentExactlyAtTheTargetQualifies) {
  const auto c = compare_runs({run("a", 1, 0.95, 1.0)}, {"a"});
  EXPECT_EQ(c.verdict.outcome, "winner");
  EXPECT_THAT(c.verdict.text, HasSubstr("only strategy"));
}

TEST(Verdict, OverlappingCostsTie) {
  const auto c = compare_runs({run("a", 1, 0.99, 1.0), run("a", 2, 0.99, 1.2),
                               run("b", 1, 0.99, 1.1), run("b", 2, 0.99, 1.4)},
                              {"a", "b"});
  EXPECT_EQ(c.verdict.outcome, "tie");
  EXPECT_THAT(c.verdict.winners, ElementsAre("a", "b"));
  EXPECT_THAT(c.verdict.text, HasSubstr("overlap"));
}

TEST(Verdict, SeparateCostsDoNotTie) {
  const auto c = compare_runs({run("a", 1, 0.99, 1.0), run("a", 2, 0.99, 1.1),
                               run("b", 1, 0.99, 1.11), run("b", 2, 0.99, 1.2)},
                              {"a", "b"});
  EXPECT_EQ(c.verdict.outcome, "winner");
}

TEST(Verdict, SingleRunsTieWithinTwoPerCent) {
  EXPECT_EQ(compare_runs({run("a", 1, 1, 1.0), run("b", 1, 1, 1.019)}, {"a", "b"}).verdict.outcome,
            "tie");
  EXPECT_EQ(compare_runs({run("a", 1, 1, 1.0), run("b", 1, 1, 1.021)}, {"a", "b"}).verdict.outcome,
            "winner");
}

TEST(Verdict, NobodyQualifiesAndTheClosestIsNamed) {
  const auto c = compare_runs({run("a", 1, 0.5, 1.0), run("b", 1, 0.93, 2.0)}, {"a", "b"});
  EXPECT_EQ(c.verdict.outcome, "nobody");
  EXPECT_TRUE(c.verdict.winners.empty());
  EXPECT_THAT(c.verdict.text,
              AllOf(HasSubstr("No strategy"), HasSubstr("Closest: b"), HasSubstr("93.0 %")));
}

TEST(Verdict, InvalidRunsAreNotCounted) {
  const auto c = compare_runs(
      {run("a", 1, 0.99, 1.0, false), run("a", 2, 0.99, 5.0), run("b", 1, 0.99, 2.0, false)},
      {"a", "b"});
  EXPECT_EQ(c.strategies[0].valid_runs, 1);
  EXPECT_DOUBLE_EQ(c.strategies[0].cost.mean, 5.0);
  EXPECT_FALSE(c.strategies[1].qualifies);
  EXPECT_THAT(c.verdict.winners, ElementsAre("a"));
  EXPECT_THAT(c.verdict.text, HasSubstr("Some strategies have no valid run"));
}

TEST(Verdict, NothingValidSaysSo) {
  EXPECT_EQ(compare_runs({run("a", 1, 1, 1, false)}, {"a"}).verdict.outcome, "no_valid_runs");
  EXPECT_EQ(compare_runs({}, {"a"}).verdict.outcome, "no_valid_runs");
}

TEST(Verdict, RepetitionsArePooledAndBorderlineIsSaid) {
  const auto c = compare_runs({run("a", 1, 0.99, 1.0), run("a", 2, 0.93, 1.0)}, {"a"});
  EXPECT_TRUE(c.strategies[0].qualifies) << "0.96 over both";
  EXPECT_TRUE(c.strategies[0].borderline);
  EXPECT_THAT(c.verdict.text, HasSubstr("some repetitions only"));
}

TEST(Verdict, EveryModelMustAttain) {
  RunResult r = run("a", 1, 0.99, 1.0);
  ModelResult other = r.models[0];
  other.model = "other";
  other.slo_target = 0.999;
  r.models.push_back(other);
  EXPECT_EQ(compare_runs({r}, {"a"}).verdict.outcome, "nobody");
}

TEST(Verdict, StrategiesKeepTheOrderAskedFor) {
  const auto c = compare_runs({run("z", 1, 1, 1), run("a", 1, 1, 1)}, {"z", "a"});
  EXPECT_EQ(c.strategies[0].strategy, "z");
  const auto json = comparison_json(c);
  EXPECT_EQ(json["strategies"][1]["strategy"], "a");
  EXPECT_THAT(json["verdict"]["rule"].get<std::string>(), HasSubstr("rejected"));
}

TEST(Spread, HasMeanAndEnds) {
  const Spread s = spread_of({3.0, 1.0, 2.0});
  EXPECT_DOUBLE_EQ(s.mean, 2.0);
  EXPECT_DOUBLE_EQ(s.low, 1.0);
  EXPECT_DOUBLE_EQ(s.high, 3.0);
}

}  // namespace
}  // namespace spate::lab
