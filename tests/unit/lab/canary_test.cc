// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/canary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace spate::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// 100 s on 2 CPUs, of which the experiment used 60 CPU-seconds.
struct Readings {
  CanaryReading before{0.2, 0.2, 1000, 10, 5000, 50, 0, 0};
  CanaryReading after{0.2, 0.2, 1060, 10, 5200, 110, 0, 0};
};

TEST(Canary, AQuietMachineDisturbsNothing) {
  const Readings r;
  const Disturbance d = judge_canary(r.before, r.after, 2);
  EXPECT_FALSE(d.disturbed);
  EXPECT_DOUBLE_EQ(d.foreign_cpus, 0.0);
  EXPECT_DOUBLE_EQ(d.speed_ratio, 1.0);
}

TEST(Canary, StolenTimeIsSaid) {
  Readings r;
  r.after.steal_s += 5;  // of 200
  const Disturbance d = judge_canary(r.before, r.after, 2);
  EXPECT_DOUBLE_EQ(d.steal_ratio, 0.025);
  EXPECT_THAT(d.reasons, ElementsAre(HasSubstr("2.5 %")));
}

TEST(Canary, ForeignLoadIsWhatWasBusyAndNotOurs) {
  Readings r;
  r.after.busy_s += 40;
  const Disturbance d = judge_canary(r.before, r.after, 2);
  EXPECT_DOUBLE_EQ(d.foreign_cpus, 0.4);
  EXPECT_THAT(d.reasons, ElementsAre(HasSubstr("0.40 CPU")));
}

TEST(Canary, ThrottlingSpeedAndABusyStartAreSaid) {
  Readings r;
  r.after.periods = 100;
  r.after.throttled_periods = 5;
  r.after.loop_cpu_s = r.after.loop_wall_s = 0.25;
  r.before.loop_wall_s = 0.4;
  const Disturbance d = judge_canary(r.before, r.after, 2);
  EXPECT_DOUBLE_EQ(d.throttled_ratio, 0.05);
  EXPECT_DOUBLE_EQ(d.speed_ratio, 0.8);
  EXPECT_DOUBLE_EQ(d.cpu_share_before, 0.5);
  EXPECT_THAT(d.reasons, ElementsAre(HasSubstr("throttled"), HasSubstr("20 % slower"),
                                     HasSubstr("busy before the run")));
}

TEST(Canary, ReadsTheKernelsCounters) {
  const CanaryReading r = read_canary();
  EXPECT_GT(r.total_s, 0.0);
  EXPECT_GT(r.loop_cpu_s, 0.0);
  EXPECT_GT(r.own_cpu_s, 0.0);
  const auto json = canary_json(r, r, judge_canary(r, r, 2));
  EXPECT_TRUE(json.contains("steal_ratio"));
}

}  // namespace
}  // namespace spate::lab
