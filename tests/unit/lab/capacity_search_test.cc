// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/capacity_search.h"

#include <gtest/gtest.h>

#include <cmath>

namespace spate::lab {
namespace {

using std::chrono::milliseconds;

CapacityQuestion constant(milliseconds service) {
  CapacityQuestion q;
  q.service[1] = std::vector<Duration>(50, service);
  q.slo_latency = milliseconds(1000);
  q.deadline = milliseconds(1000);
  q.target = 0.95;
  q.requests = 6000;
  q.bootstraps = 0;
  return q;
}

TEST(CapacitySearch, AnIdleReplicaAnswersEverythingInTime) {
  EXPECT_DOUBLE_EQ(simulate_attainment(constant(milliseconds(100)), 0.5, 2000, 1), 1.0);
}

TEST(CapacitySearch, FarBeyondSaturationOnlyWhatIsServedIsInTime) {
  // 10/s can be served of 40/s; the rest is refused at once.
  EXPECT_NEAR(simulate_attainment(constant(milliseconds(100)), 40.0, 8000, 1), 0.25, 0.01);
}

TEST(CapacitySearch, AServiceSlowerThanTheObjectiveNeverAttains) {
  EXPECT_LT(simulate_attainment(constant(milliseconds(1100)), 0.01, 500, 1), 0.01);
  EXPECT_NEAR(find_capacity(constant(milliseconds(1100))).rate_per_s, 0.0, 1e-3);
}

TEST(CapacitySearch, ConstantServiceAgreesWithQueueingTheory) {
  // M/D/1, service 0.1 s, P(wait > 0.9 s) = 5 %: with the usual exponential tail
  // exp(-2 (1-r) t / (r s)) that is at r = 0.857. Requests whose time is over are dropped, which
  // helps those behind them a little.
  CapacityQuestion q = constant(milliseconds(100));
  q.route.early_overload = false;
  const CapacityAnswer answer = find_capacity(q);
  EXPECT_GT(answer.rate_per_s, 8.3);
  EXPECT_LT(answer.rate_per_s, 9.6);
  EXPECT_NEAR(answer.saturated_per_s, 10.0, 1e-9);
}

TEST(CapacitySearch, AttainsItsTargetAtTheRateItFoundAndNotAboveIt) {
  CapacityQuestion q = constant(milliseconds(100));
  q.requests = 20000;
  const double rate = find_capacity(q).rate_per_s;
  EXPECT_GE(simulate_attainment(q, rate * 0.95, 20000, 99), q.target);
  EXPECT_LT(simulate_attainment(q, rate * 1.06, 20000, 99), q.target);
}

TEST(CapacitySearch, TwoCreditsServeTwice) {
  CapacityQuestion q = constant(milliseconds(100));
  q.credits = 2;
  EXPECT_NEAR(find_capacity(q).saturated_per_s, 20.0, 1e-9);
  EXPECT_GT(find_capacity(q).rate_per_s,
            1.8 * find_capacity(constant(milliseconds(100))).rate_per_s);
}

TEST(CapacitySearch, BatchesServeMoreWhenTheyAreCheaperTogether) {
  CapacityQuestion q = constant(milliseconds(100));
  q.route.max_batch = 4;
  q.service[4] = std::vector<Duration>(20, milliseconds(200));
  const CapacityAnswer answer = find_capacity(q);
  EXPECT_NEAR(answer.saturated_per_s, 20.0, 1e-9);
  EXPECT_GT(answer.rate_per_s, 14.0);
}

TEST(CapacitySearch, IsTheSameEachTimeAndItsIntervalHoldsIt) {
  CapacityQuestion q = constant(milliseconds(100));
  q.requests = 1000;
  q.bootstraps = 20;
  for (std::size_t i = 0; i < q.service[1].size(); ++i) {
    q.service[1][i] = milliseconds(60 + 4 * static_cast<int>(i % 20));
  }
  const CapacityAnswer a = find_capacity(q);
  const CapacityAnswer b = find_capacity(q);
  EXPECT_EQ(a.rate_per_s, b.rate_per_s);
  EXPECT_EQ(a.low_per_s, b.low_per_s);
  EXPECT_LE(a.low_per_s, a.rate_per_s);
  EXPECT_GE(a.high_per_s, a.rate_per_s);
  EXPECT_GT(a.high_per_s - a.low_per_s, 0.0);
}

}  // namespace
}  // namespace spate::lab
