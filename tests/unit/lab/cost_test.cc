// SPDX-License-Identifier: Apache-2.0
//
// Every expected value here is worked by hand.
#include "spate/lab/cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate::lab {
namespace {

using Json = nlohmann::json;

using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;

RunFiles window(double from, double until) {
  RunFiles run;
  run.measured_from = from;
  run.measured_until = until;
  return run;
}

void event(RunFiles& run, double at, const char* what, const char* replica) {
  run.decisions.push_back({{"unix_s", at}, {"event", what}, {"model", "m"}, {"replica", replica}});
}

TEST(Integrate, HoldsEachValueUntilTheNext) {
  // 2 for 3 s, 5 for 4 s, 1 for 3 s.
  EXPECT_DOUBLE_EQ(integrate({{10, 2}, {13, 5}, {17, 1}}, 10, 20), 6 + 20 + 3);
}

TEST(Integrate, ExtendsTheFirstValueBackAndClipsToTheWindow) {
  EXPECT_DOUBLE_EQ(integrate({{10, 2}, {13, 5}}, 8, 14), 2 * 5 + 5);
  EXPECT_DOUBLE_EQ(integrate({{10, 2}, {13, 5}, {30, 9}}, 12, 15), 2 + 10);
  EXPECT_DOUBLE_EQ(integrate({{1, 2}, {2, 7}}, 5, 6), 7);
}

TEST(Integrate, IsZeroForNothing) {
  EXPECT_DOUBLE_EQ(integrate({}, 0, 10), 0.0);
  EXPECT_DOUBLE_EQ(integrate({{0, 3}}, 10, 10), 0.0);
}

TEST(Cost, AReplicaCostsItsBoostThenItsLimitUntilItIsGone) {
  RunFiles run = window(100, 200);
  event(run, 90, "replica_started", "m-1");
  event(run, 91, "limit_applied", "m-1");  // before the window: 0.3 x 100 s
  event(run, 120, "replica_started", "m-2");
  event(run, 120.5, "ready", "m-2");
  event(run, 120.5, "limit_applied", "m-2");  // boost 1.0 x 0.5 s
  event(run, 150, "draining", "m-2");         // still reserved while it drains
  event(run, 152, "gone", "m-2");             // 0.3 x 31.5 s
  const ModelCost cost = cost_of(run, "m", {0.3, 0.3, 1.0}, {});
  EXPECT_TRUE(cost.from_events);
  EXPECT_NEAR(cost.cpu_seconds, 30.0 + 0.5 + 9.45, 1e-9);
  EXPECT_NEAR(cost.boost_cpu_seconds, 0.5, 1e-9);
}

TEST(Cost, AReplicaThatNeverGotALimitIsChargedItsBoostThroughout) {
  RunFiles run = window(0, 10);
  event(run, 4, "replica_started", "m-1");
  const ModelCost stuck = cost_of(run, "m", {0.3, 0.3, 1.0}, {});
  EXPECT_NEAR(stuck.cpu_seconds, 6.0, 1e-9);
  EXPECT_NEAR(stuck.boost_cpu_seconds, 6.0, 1e-9);
  event(run, 7, "gone", "m-1");
  EXPECT_NEAR(cost_of(run, "m", {0.3, 0.3, 1.0}, {}).cpu_seconds, 3.0, 1e-9);
}

TEST(Cost, AParkedReplicaReservesNothingUntilItIsDecidedToTakeIt) {
  RunFiles run = window(0, 100);
  event(run, -2, "replica_started", "m-1");
  event(run, -1, "limit_applied", "m-1");
  event(run, 0, "parked", "m-1");
  event(run, 40.5, "unparked", "m-1");
  run.decisions.back()["after_ms"] = 500.0;  // decided at 40
  event(run, 60, "parked", "m-1");
  event(run, 90, "gone", "m-1");
  const ModelCost cost = cost_of(run, "m", {0.3, 0.3, 1.0}, {});
  EXPECT_NEAR(cost.cpu_seconds, 20 * 0.3, 1e-9);
  EXPECT_NEAR(cost.boost_cpu_seconds, 0.0, 1e-9) << "before the window";
}

TEST(Cost, TheMemoryOfParkedReplicasIsTold) {
  RunFiles run = window(0, 100);
  event(run, -2, "replica_started", "m-1");
  event(run, -1, "parked", "m-1");
  event(run, 40, "unparked", "m-1");
  event(run, 70, "parked", "m-1");  // until the end
  event(run, 10, "replica_started", "m-2");
  event(run, 20, "parked", "m-2");
  event(run, 25, "gone", "m-2");
  run.components.push_back({"worker", "m", "m-1", {{0.0, 0.0, kGib, 0.0, 0.0}}});
  run.components.push_back({"worker", "m", "m-2", {{0.0, 0.0, 2.0 * kGib, 0.0, 0.0}}});
  run.components.push_back({"worker", "other", "m-1", {{0.0, 0.0, 9.0 * kGib, 0.0, 0.0}}});
  const ModelCost cost = cost_of(run, "m", {0.3, 0.3, 1.0}, {36.0, 3.6, "EUR"});
  EXPECT_NEAR(cost.parked_seconds, 40 + 30 + 5, 1e-9);
  EXPECT_NEAR(cost.parked_gib_seconds, 40 + 30 + 2 * 5, 1e-9);
  EXPECT_NEAR(cost.parked, 0.08, 1e-9);
}

TEST(Cost, ARaisedLimitIsReserved) {
  RunFiles run = window(0, 100);
  event(run, -2, "replica_started", "m-1");
  event(run, -1, "limit_applied", "m-1");
  run.decisions.push_back({{"unix_s", 40.0},
                           {"model", "m"},
                           {"from", {{"replicas", 1}, {"cpu_limit", 0.3}}},
                           {"to", {{"replicas", 1}, {"cpu_limit", 0.9}}}});
  event(run, 40, "limit_applied", "m-1");
  run.decisions.push_back({{"unix_s", 70.0}, {"model", "m"}, {"to", {{"cpu_limit", 0.2}}}});
  event(run, 70, "limit_applied", "m-1");
  // 40 s at 0.3, 30 s at 0.9, 30 s at max(0.2, the request 0.3).
  EXPECT_NEAR(cost_of(run, "m", {0.3, 0.3, 1.0}, {}).cpu_seconds, 12 + 27 + 9, 1e-9);
}

TEST(Cost, AnEventsOwnLimitWins) {
  RunFiles run = window(0, 10);
  event(run, 0, "replica_started", "m-1");
  event(run, 0, "limit_applied", "m-1");
  run.decisions.back()["cpu_limit"] = 0.5;
  EXPECT_NEAR(cost_of(run, "m", {0.3, 0.3, 1.0}, {}).cpu_seconds, 5.0, 1e-9);
}

TEST(Cost, WithoutEventsTheSeriesIsTaken) {
  RunFiles run = window(0, 10);
  for (int t = 0; t < 10; ++t) {
    GatewaySample s;
    s.unix_s = t;
    s.cpu_reserved = t < 5 ? 0.3 : 0.6;
    s.memory_bytes = t < 5 ? kGib : 2 * kGib;
    run.gateway["m"].push_back(s);
  }
  const Prices prices{36.0, 3.6, "EUR"};  // 0.01 a CPU-second, 0.001 a GiB-second
  const ModelCost cost = cost_of(run, "m", {0.3, 0.3, 1.0}, prices);
  EXPECT_FALSE(cost.from_events);
  EXPECT_NEAR(cost.cpu_seconds, 4.5, 1e-9);
  EXPECT_NEAR(cost.memory_gib_seconds, 15.0, 1e-9);
  EXPECT_NEAR(cost.cpu, 0.045, 1e-12);
  EXPECT_NEAR(cost.memory, 0.015, 1e-12);
  EXPECT_NEAR(cost.total, 0.06, 1e-12);
}

TEST(Cost, AnotherModelsEventsAreNotCounted) {
  RunFiles run = window(0, 10);
  event(run, 0, "replica_started", "m-1");
  EXPECT_FALSE(cost_of(run, "other", {0.3, 0.3, 1.0}, {}).from_events);
}

TEST(MeanReserved, ABoostBetweenTwoReadingsCountsForAsLongAsItLasts) {
  RunFiles run = window(0, 10);
  event(run, 0.5, "replica_started", "m-1");
  event(run, 0.75, "limit_applied", "m-1");
  event(run, 2.5, "gone", "m-1");
  const auto near = [](double value) { return DoubleNear(value, 1e-12); };
  const auto timelines = replica_timelines(run, "m", {0.4, 0.4, 1.0});
  // 0.25 s at 1 and 0.25 s at 0.4; a whole second; half of one; none.
  EXPECT_THAT(mean_reserved(timelines, {0, 1, 2, 3, 4}),
              ElementsAre(near(0.35), near(0.4), near(0.2), 0.0));
  EXPECT_THAT(mean_reserved(timelines, {0.6, 2.6}), ElementsAre(near((0.15 + 0.7) / 2.0)))
      << "begun before, gone within";
  EXPECT_THAT(mean_reserved(timelines, {5, 6}), ElementsAre(0.0));
  EXPECT_THAT(mean_reserved(timelines, {1}), IsEmpty());
}

TEST(MeanReserved, AddsUpToTheCost) {
  RunFiles run = window(0, 30);
  for (int i = 0; i < 20; ++i) {
    const std::string id = "m-" + std::to_string(i);
    event(run, -3.0 + 1.7 * i, "replica_started", id.c_str());
    event(run, -2.9 + 1.7 * i, "limit_applied", id.c_str());
    if (i % 3 == 0) event(run, -2.2 + 1.7 * i, "parked", id.c_str());
    if (i % 3 == 0) event(run, 9.1 + 1.7 * i, "unparked", id.c_str());
    if (i % 2 == 0) event(run, 11.3 + 1.7 * i, "gone", id.c_str());
  }
  const CpuTerms terms{0.3, 0.3, 1.0};
  std::vector<double> times;
  for (double t = 0.0; t <= 30.0; t += 0.75) times.push_back(t);
  double seconds = 0.0;
  for (const double mean : mean_reserved(replica_timelines(run, "m", terms), times)) {
    seconds += 0.75 * mean;
  }
  EXPECT_NEAR(seconds, cost_of(run, "m", terms, {}).cpu_seconds, 1e-9);
}

TEST(CpuTerms, AreTheScenariosOnTheRunsMachine) {
  RunFiles run;
  run.scenario = {{"models", {{"m", {{"cpu_request", 0.2}, {"cpu_limit", 1.5}}}}}};
  run.run = {{"machine", {{"cores", 2}}}};
  const CpuTerms terms = cpu_terms(run, "m");
  EXPECT_DOUBLE_EQ(terms.request, 0.2);
  EXPECT_DOUBLE_EQ(terms.limit, 1.5);
  EXPECT_DOUBLE_EQ(terms.boost, 1.5);
}

TEST(HasEveryEvent, UnlessASimulatedRunDroppedSome) {
  RunFiles run;
  EXPECT_TRUE(has_every_event(run));
  run.run = {{"simulated", {{"records_dropped", 0}}}};
  EXPECT_TRUE(has_every_event(run));
  run.run["simulated"]["records_dropped"] = 7;
  EXPECT_FALSE(has_every_event(run));
}

TEST(Cost, PerThousandNeedsGoodAnswers) {
  EXPECT_DOUBLE_EQ(*per_thousand(0.5, 250), 2.0);
  EXPECT_FALSE(per_thousand(0.5, 0).has_value());
}

}  // namespace
}  // namespace spate::lab
