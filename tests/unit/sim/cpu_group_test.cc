// SPDX-License-Identifier: Apache-2.0
//
// Hand-worked cases of CPU time under a quota.
#include "spate/sim/cpu_group.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "spate/base/rng.h"

namespace spate::sim {
namespace {

constexpr std::int64_t kMs = 1'000'000;

std::int64_t ms(double x) { return static_cast<std::int64_t>(x * 1e6); }

// Runs one call after another and says how long the call took.
struct Caller {
  CpuGroup group;
  std::int64_t now = 0;

  double call_ms(double work_ms, double threads = 1.0) {
    group.advance(now);
    const double target = group.v() + work_ms * 1e6 / threads;
    group.set_demand(threads);
    const std::int64_t end = group.when(target);
    group.advance(end);
    EXPECT_NEAR(group.v(), target, 1.0);
    group.set_demand(0.0);
    const double took = static_cast<double>(end - now) / 1e6;
    now = end;
    return took;
  }
  void idle_ms(double t) { now += ms(t); }
};

TEST(CpuGroup, WithoutALimitACallTakesItsCpuTime) {
  Caller caller;
  EXPECT_NEAR(caller.call_ms(250), 250.0, 1e-5);
  EXPECT_NEAR(caller.group.cpu_ns(), 250e6, 1.0);
  EXPECT_EQ(caller.group.periods(), 0U);
}

// 45 ms at 0.3 CPU: 30 ms in the first period, a pause of 70 ms, 15 ms in the second.
TEST(CpuGroup, ACallLongerThanTheQuotaPauses) {
  Caller caller;
  caller.group.set_limit(0.3, 0);
  EXPECT_NEAR(caller.call_ms(45), 115.0, 1e-3);
  EXPECT_EQ(caller.group.periods(), 2U);
  EXPECT_EQ(caller.group.throttled_periods(), 1U);
  EXPECT_NEAR(caller.group.cpu_ns(), 45e6, 1.0);
}

// 100 ms at 0.3 CPU: 30, 30, 30 and 10 ms in four periods.
TEST(CpuGroup, WholePeriodsInBetween) {
  Caller caller;
  caller.group.set_limit(0.3, 0);
  EXPECT_NEAR(caller.call_ms(100), 310.0, 1e-3);
  EXPECT_EQ(caller.group.throttled_periods(), 3U);
}

// 30 ms at 0.3 CPU fit exactly and are not throttled.
TEST(CpuGroup, AFullQuotaIsNotExceeded) {
  Caller caller;
  caller.group.set_limit(0.3, 0);
  EXPECT_NEAR(caller.call_ms(30), 30.0, 1e-3);
  EXPECT_EQ(caller.group.throttled_periods(), 0U);
}

// Calls of 13.6 ms back to back at 0.5 CPU: three fit into 50 ms, the fourth has 9.2 ms before the
// pause of 50 ms and 4.4 ms after it: 63.6 ms. The two modes of the measurement (15.7 and 68 ms).
TEST(CpuGroup, ShortCallsAreBimodal) {
  Caller caller;
  caller.group.set_limit(0.5, 0);
  EXPECT_NEAR(caller.call_ms(13.6), 13.6, 1e-3);
  EXPECT_NEAR(caller.call_ms(13.6), 13.6, 1e-3);
  EXPECT_NEAR(caller.call_ms(13.6), 13.6, 1e-3);
  EXPECT_NEAR(caller.call_ms(13.6), 63.6, 1e-3);
  // 45.6 ms of the second period's quota are left: three calls and 4.8 ms of the next.
  EXPECT_NEAR(caller.call_ms(13.6), 13.6, 1e-3);
  EXPECT_NEAR(caller.call_ms(13.6), 13.6, 1e-3);
  EXPECT_NEAR(caller.call_ms(13.6), 13.6, 1e-3);
  EXPECT_NEAR(caller.call_ms(13.6), 63.6, 1e-3);
}

// An idle group does not save up.
TEST(CpuGroup, NothingIsCarriedOver) {
  Caller caller;
  caller.group.set_limit(0.3, 0);
  caller.idle_ms(950);
  // 30 ms of the period from 900 to 1000 ms end at 980; 15 ms of the next at 1015.
  EXPECT_NEAR(caller.call_ms(45), 65.0, 1e-3);
}

// A call that begins late in a period meets its end before its quota is spent.
TEST(CpuGroup, APeriodEndsBeforeTheQuota) {
  Caller caller;
  caller.group.set_limit(0.3, 0);
  caller.idle_ms(90);
  EXPECT_NEAR(caller.call_ms(40), 40.0, 1e-3);  // 10 ms, then 30 ms of a fresh quota
  EXPECT_EQ(caller.group.throttled_periods(), 0U);
}

// Two threads at a limit of 1 CPU: 100 ms of CPU time in 50 ms, then a pause.
TEST(CpuGroup, ThreadsSpendTheQuotaTogether) {
  Caller caller;
  caller.group.set_limit(1.0, 0);
  EXPECT_NEAR(caller.call_ms(100, 2.0), 50.0, 1e-3);
  EXPECT_NEAR(caller.call_ms(40, 2.0), 70.0, 1e-3);  // from 50: pause until 100, then 20
}

// Raising the limit ends the pause at once.
TEST(CpuGroup, ARaisedLimitActsAtOnce) {
  CpuGroup group;
  group.set_limit(0.3, 0);
  group.set_demand(1.0);
  EXPECT_EQ(group.when(60e6), 130 * kMs);
  group.advance(50 * kMs);  // 30 ms had, standing since
  EXPECT_TRUE(group.throttled());
  EXPECT_EQ(group.next_switch(), 100 * kMs);
  group.set_limit(0.9, 50 * kMs);
  EXPECT_FALSE(group.throttled());
  EXPECT_EQ(group.when(60e6), 80 * kMs);
}

TEST(CpuGroup, ASlowMachineStretchesTheCall) {
  CpuGroup group;
  group.set_limit(0.3, 0);
  group.set_demand(1.0, 0.5);
  // 45 ms of CPU time at half speed: 30 of them by 60 ms, the rest from 100 to 130 ms.
  EXPECT_EQ(group.when(45e6), 130 * kMs);
}

// advance() in any steps comes to the same as in one.
TEST(CpuGroup, StepsDoNotMatter) {
  Rng rng(7);
  for (int round = 0; round < 200; ++round) {
    CpuGroup whole;
    CpuGroup steps;
    const double limit = rng.uniform(0.05, 2.0);
    const double threads = 1.0 + static_cast<double>(rng.below(3));
    const double speed = rng.uniform(0.3, 1.0);
    whole.set_limit(limit, 0);
    steps.set_limit(limit, 0);
    whole.set_demand(threads, speed);
    steps.set_demand(threads, speed);
    const double target = rng.uniform(1e6, 900e6);
    const std::int64_t end = whole.when(target);
    std::int64_t at = 0;
    while (at < end) {
      at = std::min(end, at + static_cast<std::int64_t>(rng.uniform(1.0, 80e6)));
      steps.advance(at);
      if (at < end) {
        EXPECT_NEAR(static_cast<double>(steps.when(target)), static_cast<double>(end), 3.0);
      }
    }
    whole.advance(end);
    EXPECT_NEAR(whole.v(), target, 3.0);
    EXPECT_NEAR(steps.v(), target, 3.0);
    EXPECT_EQ(whole.periods(), steps.periods());
    EXPECT_EQ(whole.throttled_periods(), steps.throttled_periods());
  }
}

}  // namespace
}  // namespace spate::sim
