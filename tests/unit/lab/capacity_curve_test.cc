// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/capacity_curve.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace spate::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kAbove = ShareVerdict::Above;
constexpr auto kBelow = ShareVerdict::Below;
constexpr auto kUndecided = ShareVerdict::Undecided;

// The steps that are tested when `true_step` is the first that fails and `unclear` ones stay so.
std::vector<int> tested_until(int true_step, const std::vector<int>& unclear, int most) {
  std::map<int, ShareVerdict> tested;
  std::vector<int> order;
  while (const auto step = next_rate(tested, most)) {
    order.push_back(*step);
    const bool open = std::find(unclear.begin(), unclear.end(), *step) != unclear.end();
    tested[*step] = open ? kUndecided : *step >= true_step ? kBelow : kAbove;
  }
  return order;
}

TEST(NextRate, GoesUpUntilOneFailsAndDownUntilOnePasses) {
  EXPECT_THAT(tested_until(2, {}, 9), ElementsAre(0, 1, 2));
  EXPECT_THAT(tested_until(-1, {}, 9), ElementsAre(0, -1, -2));
  EXPECT_THAT(tested_until(1, {}, 9), ElementsAre(0, 1));
}

TEST(NextRate, WhatStaysUnclearIsPassedOver) {
  EXPECT_THAT(tested_until(1, {0}, 9), ElementsAre(0, 1, -1));
  EXPECT_THAT(tested_until(2, {1, 2}, 9), ElementsAre(0, 1, 2, 3));
}

TEST(NextRate, HasAnEnd) { EXPECT_THAT(tested_until(100, {}, 4), ElementsAre(0, 1, 2, 3)); }

TEST(ChooseLive, SpreadsOverWhatFits) {
  std::vector<CapacityPoint> points;
  for (int n = 1; n <= 8; ++n) points.push_back({"m", 0.5, 1, n});
  EXPECT_THAT(choose_live(points, 2, 1.5), ElementsAre(0, 2));
  EXPECT_THAT(choose_live(points, 3, 4.0), ElementsAre(0, 3, 7));
  EXPECT_THAT(choose_live(points, 1, 4.0), ElementsAre(0));
  EXPECT_THAT(choose_live(points, 2, 0.3), IsEmpty());
  EXPECT_THAT(choose_live(points, 0, 4.0), IsEmpty());
}

// Calls of exactly 10 ms; nothing else takes any time.
sim::MachineProfile exact_profile(int cores) {
  sim::MachineProfile out;
  out.file = "test";
  out.cores = cores;
  out.limit_mechanism = "cgroup_v1";
  sim::ProfiledModel m;
  m.name = "m";
  m.service.entries = {{1, sim::Law::constant(std::chrono::milliseconds(10))},
                       {4, sim::Law::constant(std::chrono::milliseconds(16))}};
  out.models = {m};
  return out;
}

Scenario scenario_of(double slo_ms) {
  Scenario out = read_scenario_text(R"(
name: test
duration_s: 10
models:
  m:
    model: models/m
    dataset: data/m
    slo: {latency_ms: 1000, target: 0.95}
    demand: {profile: {kind: constant, rate_per_s: 1}}
    cpu_request: 1
)",
                                    "test.yaml");
  out.models[0].slo_latency_ms = out.models[0].deadline_ms = slo_ms;
  return out;
}

const CurveSimulation kShort{2, 10'000};

TEST(SimulatedCapacity, NearsSaturationWhenTheObjectiveIsFar) {
  // 100 calls a second; 1 s is a hundred of them.
  const auto one = simulate_capacity(scenario_of(1000), {"m", 1.0, 1, 1}, exact_profile(4), kShort);
  EXPECT_GT(one.per_s, 90.0);
  EXPECT_LT(one.per_s, 108.0) << "5 % may be refused";
  EXPECT_TRUE(one.fits_machine);
  EXPECT_LE(one.low_per_s, one.per_s);
  EXPECT_GE(one.high_per_s, one.per_s);
}

TEST(SimulatedCapacity, IsLowerUnderATightObjectiveAndAQuota) {
  const auto profile = exact_profile(4);
  const auto wide = simulate_capacity(scenario_of(1000), {"m", 1.0, 1, 1}, profile, kShort);
  const auto tight = simulate_capacity(scenario_of(25), {"m", 1.0, 1, 1}, profile, kShort);
  EXPECT_LT(tight.per_s, 0.9 * wide.per_s);
  EXPECT_GT(tight.per_s, 0.2 * wide.per_s);
  const auto half = simulate_capacity(scenario_of(1000), {"m", 0.5, 1, 1}, profile, kShort);
  EXPECT_NEAR(half.per_s / wide.per_s, 0.5, 0.06);
}

TEST(SimulatedCapacity, GrowsWithBatchesAndReplicas) {
  const auto profile = exact_profile(4);
  const auto one = simulate_capacity(scenario_of(1000), {"m", 1.0, 1, 1}, profile, kShort);
  const auto four = simulate_capacity(scenario_of(1000), {"m", 1.0, 4, 1}, profile, kShort);
  EXPECT_NEAR(four.per_s / one.per_s, 2.5, 0.25) << "4 in 16 ms instead of 1 in 10";
  const auto three = simulate_capacity(scenario_of(1000), {"m", 1.0, 1, 3}, profile, kShort);
  EXPECT_NEAR(three.per_s / one.per_s, 3.0, 0.2);
}

TEST(SimulatedCapacity, SaysWhatNoMachineOfThisSizeHas) {
  const auto many =
      simulate_capacity(scenario_of(1000), {"m", 1.0, 1, 8}, exact_profile(2), kShort);
  EXPECT_FALSE(many.fits_machine);
  EXPECT_GT(many.per_s, 700.0) << "each replica with its own CPU";
}

TEST(SimulatedCapacity, AnImpossibleObjectiveIsSaidWithItsArithmetic) {
  const auto none = simulate_capacity(scenario_of(5), {"m", 1.0, 1, 1}, exact_profile(2), kShort);
  EXPECT_EQ(none.per_s, 0.0);
  EXPECT_THAT(none.impossible, HasSubstr("10.0 ms"));
}

TEST(CapacityCurve, TableAndJsonTellLiveFromSimulated) {
  const Scenario scenario = scenario_of(1000);
  LiveCapacity live;
  live.low_per_s = 90.0;
  live.high_per_s = 103.5;
  live.rates = {{90.0, kAbove, 0.99, 0.97, 1.0, 900.0, 10.0, 1.0, {}},
                {103.5, kBelow, 0.7, 0.6, 0.8, 1035.0, 10.0, 2.0, {"disturbed: x"}}};
  const std::vector<CurveEntry> entries = {
      {{"m", 1.0, 1, 1}, {95.0, 94.0, 96.0, true, ""}, live},
      {{"m", 1.0, 1, 8}, {760.0, 750.0, 770.0, false, ""}, std::nullopt},
      {{"m", 0.1, 1, 1}, {0.0, 0.0, 0.0, true, "too slow"}, std::nullopt}};
  const std::string table = curve_table(scenario, entries, 0.95);
  EXPECT_THAT(table, AllOf(HasSubstr("90 to 103.5"), HasSubstr("760 (750 to 770) *"),
                           HasSubstr("none: too slow"), HasSubstr("95 % of the requests")));
  const auto json = curve_json(scenario, entries, exact_profile(2), {});
  ASSERT_EQ(json["points"].size(), 3U);
  EXPECT_EQ(json["cores"], 2);
  EXPECT_EQ(json["points"][0]["live"]["high_per_s"], 103.5);
  EXPECT_EQ(json["points"][0]["live"]["rates"][1]["verdict"], "below");
  EXPECT_FALSE(json["points"][1].contains("live"));
  EXPECT_EQ(json["points"][1]["simulated"]["fits_machine"], false);
}

}  // namespace
}  // namespace spate::lab
