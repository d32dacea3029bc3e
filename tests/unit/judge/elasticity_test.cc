// SPDX-License-Identifier: Apache-2.0
//
// Worked by hand; the first case is the one of docs/elasticity.md.
#include "spate/judge/elasticity.h"

#include <gtest/gtest.h>

#include <cmath>

namespace spate::judge {
namespace {

ElasticityInput of(std::vector<double> demand, std::vector<double> supply) {
  ElasticityInput input;
  input.demand = std::move(demand);
  input.supply = std::move(supply);
  return input;
}

TEST(Elasticity, WorkedExample) {
  // Too little: the second step, 2 of 4. Too much: the fourth, 2 over 2.
  const auto e = elasticity_of(of({2, 4, 4, 2, 2}, {2, 2, 4, 4, 2})).value();
  EXPECT_DOUBLE_EQ(e.theta_u_percent, 10.0);  // 2/4 over 5 steps
  EXPECT_DOUBLE_EQ(e.theta_o_percent, 20.0);  // 2/2 over 5 steps
  EXPECT_DOUBLE_EQ(e.tau_u_percent, 20.0);
  EXPECT_DOUBLE_EQ(e.tau_o_percent, 20.0);
  // Moves of demand: + 0 - 0; of supply: 0 + 0 -. Never the same.
  EXPECT_DOUBLE_EQ(*e.instability_percent, 100.0);
  EXPECT_DOUBLE_EQ(e.jitter_per_h, 0.0);
  EXPECT_DOUBLE_EQ(e.mean_demand, 2.8);
  EXPECT_DOUBLE_EQ(e.mean_supply, 2.8);
}

TEST(Elasticity, PerfectSupplyIsAllZero) {
  const auto e = elasticity_of(of({1, 3, 2, 2}, {1, 3, 2, 2})).value();
  EXPECT_EQ(e.theta_u_percent + e.theta_o_percent + e.tau_u_percent + e.tau_o_percent, 0.0);
  EXPECT_EQ(*e.instability_percent, 0.0);
  EXPECT_EQ(e.jitter_per_h, 0.0);
}

TEST(Elasticity, AtTheResolutionOfItsStartALaggingSupplyIsStable) {
  // One step late on a demand that moves every four steps: at one step unstable in four of
  // seven, on bins of four steps not at all.
  auto input = of({1, 1, 1, 1, 2, 2, 2, 2}, {1, 1, 1, 1, 1, 2, 2, 2});
  EXPECT_NEAR(*elasticity_of(input)->instability_percent, 200.0 / 7.0, 1e-9);
  input.resolution_s = 3.5;
  const auto coarse = elasticity_of(input).value();
  EXPECT_DOUBLE_EQ(coarse.resolution_s, 4.0);
  EXPECT_DOUBLE_EQ(*coarse.instability_percent, 0.0);
  input.resolution_s = 5.0;  // one whole bin only
  EXPECT_FALSE(elasticity_of(input)->instability_percent.has_value());
}

TEST(Elasticity, DemandBelowOneUnitIsDividedByTheUnit) {
  // No demand at all: 10/s of supply, one replica's, is 100 % of a unit too much.
  auto input = of({0, 0, 5, 5}, {10, 10, 10, 0});
  input.unit = 10.0;
  const auto e = elasticity_of(input).value();
  EXPECT_DOUBLE_EQ(e.theta_o_percent, (1.0 + 1.0 + 0.5) / 4.0 * 100.0);
  EXPECT_DOUBLE_EQ(e.theta_u_percent, 0.5 / 4.0 * 100.0);
  // Half a unit too much cannot be taken away as a replica.
  EXPECT_DOUBLE_EQ(e.tau_o_percent, 50.0);
  EXPECT_DOUBLE_EQ(e.tau_u_percent, 25.0);
}

TEST(Elasticity, JitterCountsMovesPerHour) {
  // Demand stays within one unit (9 and 10 need one replica each), supply moves three times.
  auto input = of({9, 10, 9, 10}, {10, 20, 10, 20});
  input.unit = 10.0;
  input.step_s = 60.0;
  input.resolution_s = 60.0;
  EXPECT_DOUBLE_EQ(elasticity_of(input)->jitter_per_h, 3.0 * 15.0);
  input.demand = {10, 20, 10, 20};
  input.supply = {20, 20, 20, 20};
  EXPECT_DOUBLE_EQ(elasticity_of(input)->jitter_per_h, -3.0 * 15.0);
}

TEST(Elasticity, NothingMeasuredIsUnset) { EXPECT_FALSE(elasticity_of(of({}, {})).has_value()); }

TEST(Elasticity, SpeedupAndDeviation) {
  Elasticity base;
  base.theta_u_percent = 40.0;
  base.tau_u_percent = 90.0;
  base.theta_o_percent = 10.0;
  base.tau_o_percent = 20.0;
  Elasticity mine = base;
  mine.theta_u_percent = 10.0;
  mine.tau_u_percent = 22.5;
  // (4 * 4 * 1 * 1)^(1/4) = 2
  EXPECT_DOUBLE_EQ(elastic_speedup(base, mine), 2.0);
  EXPECT_DOUBLE_EQ(elastic_speedup(mine, base), 0.5);
  mine.tau_u_percent = 0.0;  // counts as 0.1 %: (4 * 900)^(1/4)
  EXPECT_DOUBLE_EQ(elastic_speedup(base, mine), std::pow(3600.0, 0.25));
  Elasticity d;
  d.theta_u_percent = 3.0;
  d.tau_u_percent = 4.0;
  EXPECT_DOUBLE_EQ(autoscaling_deviation(d, 2.0), 5.0);
}

TEST(WorstWindow, SlidesOverBins) {
  // Windows of two: 20/20, 15/20, 10/20, 15/20.
  const auto w = worst_window({10, 10, 10, 10, 10}, {10, 10, 5, 5, 10}, 30.0, 60.0).value();
  EXPECT_DOUBLE_EQ(w.from_s, 60.0);
  EXPECT_DOUBLE_EQ(w.ratio, 0.5);
  EXPECT_DOUBLE_EQ(w.asked, 20.0);
  EXPECT_FALSE(worst_window({0, 0}, {0, 0}, 30.0).has_value());
  EXPECT_DOUBLE_EQ(worst_window({4}, {3}, 1.0)->ratio, 0.75);
}

TEST(Oscillations, AreReversalsSoonAfter) {
  // Up at 10, down at 100 (90 s later: one), up at 500 (400 s later: none), up again, down (one).
  EXPECT_EQ(oscillations({0, 10, 100, 500, 510, 700}, {1, 2, 1, 2, 3, 2}), 2U);
  EXPECT_EQ(oscillations({0, 10, 20}, {1, 2, 3}), 0U);
  EXPECT_EQ(oscillations({}, {}), 0U);
}

TEST(WastedStarts, StoppedBeforeTheyPaidOff) {
  EXPECT_EQ(wasted_starts({{0, 5, std::nullopt},  // still there
                           {0, 5, 100},           // served 95 s after 5 s of starting
                           {0, 5, 10},            // as long as it took: wasted
                           {0, std::nullopt, 3},  // never ready
                           {0, std::nullopt, std::nullopt}}),
            2U);
}

TEST(SupplyRecovery, FromTheSurgeUntilSupplyStaysEnough) {
  const auto input = of({1, 4, 4, 4, 4, 4}, {1, 1, 4, 2, 4, 4});
  EXPECT_DOUBLE_EQ(*supply_recovery_s(input, 1.0, 6.0), 3.0);
  EXPECT_FALSE(supply_recovery_s(input, 1.0, 4.0).has_value());
  EXPECT_DOUBLE_EQ(*supply_recovery_s(of({1, 2}, {2, 2}), 1.0, 2.0), 0.0);
  EXPECT_FALSE(supply_recovery_s(input, 6.0, 9.0).has_value());
}

}  // namespace
}  // namespace spate::judge
