// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/paired.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/lab/table.h"
#include "spate/lab/verdict.h"

namespace spate::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

RunResult run(const std::string& strategy, int repetition, double cost, bool valid = true) {
  ModelResult m;
  m.model = "m";
  m.slo_target = 0.9;
  m.asked = m.sent = m.answered = m.in_time = 1000;
  m.slo_attainment = 1.0;
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

// Repetitions differ by far more than the strategies: only pairs can tell those apart.
std::vector<RunResult> pairs(int repetitions, double saving) {
  std::vector<RunResult> out;
  for (int r = 1; r <= repetitions; ++r) {
    const double demand = 10.0 + 7.0 * (r % 4);
    out.push_back(run("dear", r, demand));
    out.push_back(run("cheap", r, demand * (1.0 - saving) + 0.01 * (r % 3)));
  }
  return out;
}

TEST(PairedCosts, PairsTellWhatRangesCannot) {
  const auto costs = paired_costs(pairs(8, 0.1));
  ASSERT_EQ(costs.pairs.size(), 1U);
  const CostPair& p = costs.pairs[0];
  EXPECT_EQ(p.cheaper, "cheap");
  EXPECT_FALSE(p.tied);
  EXPECT_DOUBLE_EQ(p.p, 2.0 / 256.0);  // the smallest that eight pairs can give
  EXPECT_NEAR(p.saving.mean, 0.1, 0.01);
  EXPECT_LE(p.saving.low, p.saving.mean);
  EXPECT_FALSE(costs.too_few);
  EXPECT_EQ(find_pair(costs, "dear", "cheap"), &p);
  EXPECT_EQ(find_pair(costs, "dear", "none"), nullptr);
  // The verdict follows them although the ranges overlap.
  const auto c = compare_runs(pairs(8, 0.1), {"dear", "cheap"});
  EXPECT_EQ(c.verdict.outcome, "winner");
  EXPECT_THAT(c.verdict.winners, ElementsAre("cheap"));
}

TEST(PairedCosts, ThreeRepetitionsTieByTheirRangesAndSaySo) {
  const auto c = compare_runs(pairs(3, 0.1), {"dear", "cheap"});
  EXPECT_TRUE(c.paired.too_few);
  EXPECT_EQ(c.verdict.outcome, "tie");
  EXPECT_THAT(c.verdict.text, HasSubstr("ranges of their costs"));
  EXPECT_THAT(paired_lines(c.paired),
              testing::Contains(HasSubstr("it takes at least 6")));  // 2 / 2^6 <= 0.05
}

TEST(PairedCosts, ATieSaysHowManyRepetitionsWouldDo) {
  std::vector<RunResult> runs;
  for (int r = 1; r <= 8; ++r) {
    runs.push_back(run("a", r, 10.0));
    runs.push_back(run("b", r, r % 2 == 0 ? 10.9 : 9.3));
  }
  const auto c = compare_runs(runs, {"a", "b"});
  EXPECT_EQ(c.verdict.outcome, "tie");
  EXPECT_THAT(c.verdict.text, HasSubstr("a and b are tied: 8 repetitions cannot tell"));
  ASSERT_TRUE(c.paired.pairs[0].pairs_needed.has_value());
  // Mean difference 0.1, standard deviation 0.855 (n - 1): (2.8 * 8.55)^2.
  EXPECT_NEAR(static_cast<double>(*c.paired.pairs[0].pairs_needed), 574.0, 3.0);
  EXPECT_THAT(c.verdict.text, HasSubstr("would find the 1.0 % seen"));
  const auto lines = paired_lines(c.paired);
  EXPECT_THAT(lines, testing::Contains(HasSubstr("tied; about ")));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("runs would give its cost to ±2 % (it has 8)")));
}

TEST(PairedCosts, OnlyCommonValidRepetitionsCount) {
  auto runs = pairs(4, 0.1);
  runs.push_back(run("late", 4, 99.0));
  runs.push_back(run("late", 1, 99.0, false));
  const auto costs = paired_costs(runs);
  EXPECT_EQ(costs.repetitions, 1U);
  EXPECT_EQ(costs.pairs.size(), 3U);
  EXPECT_TRUE(costs.too_few);
  EXPECT_EQ(costs.strategies.size(), 3U);
  EXPECT_FALSE(costs.strategies.back().runs_needed.has_value()) << "one run has no spread";

  runs.push_back(run("never", 9, 1.0));
  EXPECT_THAT(paired_costs(runs).pairs, IsEmpty());
  EXPECT_THAT(paired_costs({run("x", 1, 1.0, false)}).strategies, IsEmpty());
  EXPECT_THAT(paired_lines(paired_costs({run("x", 1, 1.0)})), IsEmpty());
}

TEST(PairedCosts, JsonHasWhatTheDocsSay) {
  const auto json = paired_json(paired_costs(pairs(8, 0.1)));
  EXPECT_EQ(json["repetitions"], 8);
  EXPECT_EQ(json["too_few_to_tell"], false);
  EXPECT_EQ(json["pairs"][0]["tied"], false);
  EXPECT_EQ(json["strategies"][0]["strategy"], "cheap");
  EXPECT_TRUE(json["strategies"][0]["runs_needed"].is_number());
}

// --- elasticity of a strategy ------------------------------------------------------------------

RunResult elastic(const std::string& strategy, int repetition, double theta_u, double worst,
                  std::optional<double> recovery) {
  RunResult out = run(strategy, repetition, 1.0);
  ModelResult& m = out.models[0];
  m.elasticity.spec = judge::Elasticity{};
  m.elasticity.spec->theta_u_percent = theta_u;
  m.elasticity.spec->tau_u_percent = theta_u;
  m.elasticity.worst_minute = judge::Attainment{0.0, 10.0, worst};
  m.elasticity.oscillations = 3;
  m.elasticity.starts = 4;
  m.elasticity.wasted_starts = static_cast<std::size_t>(repetition - 1);
  SurgeResult surge;
  surge.surge = {15.0, 45.0, 8.0};
  surge.asked = 100.0;
  surge.asked_after = 50.0;
  surge.in_time_after = 45.0;
  surge.recovery_s = recovery;
  m.surges = {surge};
  return out;
}

TEST(ElasticitySummary, MeansWorstsAndSpeedUpOverNone) {
  const auto c =
      compare_runs({elastic("fast", 1, 10.0, 0.9, 4.0), elastic("fast", 2, 30.0, 0.8, 9.0),
                    elastic("none", 1, 80.0, 0.2, std::nullopt)},
                   {"fast", "none"});
  EXPECT_EQ(c.baseline, "none");
  const ElasticitySummary& fast = c.strategies[0].models[0].elasticity;
  EXPECT_DOUBLE_EQ(fast.mean->theta_u_percent, 20.0);
  EXPECT_DOUBLE_EQ(*fast.worst_minute, 0.8);
  EXPECT_DOUBLE_EQ(fast.oscillations, 3.0);
  EXPECT_DOUBLE_EQ(fast.wasted_starts, 0.5);
  ASSERT_EQ(fast.surges.size(), 1U);
  EXPECT_DOUBLE_EQ(*fast.surges[0].recovery_s, 9.0) << "the slowest";
  EXPECT_DOUBLE_EQ(*fast.surges[0].attainment_after, 0.9);
  // theta_U and tau_U four times smaller, the others equal: the fourth root of 16.
  EXPECT_DOUBLE_EQ(*fast.speedup, 2.0);
  const ElasticitySummary& none = c.strategies[1].models[0].elasticity;
  EXPECT_FALSE(none.speedup.has_value());
  EXPECT_FALSE(none.surges[0].recovered);

  const std::string table = detail_tables(c, {});
  EXPECT_THAT(table, HasSubstr("θ_U %"));
  EXPECT_THAT(table, HasSubstr("20.0"));
  EXPECT_THAT(table, HasSubstr("speed-up over none"));
  EXPECT_THAT(table, HasSubstr("0.5 of 4"));
  EXPECT_THAT(table, HasSubstr("never"));
  EXPECT_THAT(table, HasSubstr("9 s"));
  EXPECT_THAT(table, Not(HasSubstr("\x1b")));
  const auto json = comparison_json(c);
  EXPECT_EQ(json["elastic_speedup_over"], "none");
  EXPECT_DOUBLE_EQ(
      json["strategies"][0]["models"]["m"]["elasticity"]["elastic_speedup"].get<double>(), 2.0);
  EXPECT_TRUE(
      json["strategies"][1]["models"]["m"]["elasticity"]["surges"][0]["recovery_s"].is_null());
}

TEST(ElasticitySummary, WithoutACapacityItSaysWhy) {
  RunResult r = run("a", 1, 1.0);
  r.models[0].elasticity.without = "the capacity of a replica was not measured";
  r.models[0].elasticity.starts = 1;
  const auto c = compare_runs({r}, {"a"});
  EXPECT_FALSE(c.strategies[0].models[0].elasticity.mean.has_value());
  EXPECT_THAT(detail_tables(c, {}), HasSubstr("without θ and τ: m: the capacity"));
  EXPECT_THAT(comparison_json(c)["strategies"][0]["models"]["m"]["elasticity"]["without"]
                  .get<std::string>(),
              HasSubstr("capacity"));
}

}  // namespace
}  // namespace spate::lab
