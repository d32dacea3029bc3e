// SPDX-License-Identifier: Apache-2.0
//
// Crashes, hung workers and starts that fail: the live objects put them right in the simulated
// world, too.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/sim/worlds.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

WorldConfig steady_world(int replicas, double duration_s) {
  SimModel model = simple_model("m", replicas, 20.0 * replicas, duration_s, Law::constant(20ms));
  model.start.load = Law::constant(200ms);
  model.route.attempt_timeout = 1s;
  WorldConfig config = simple_world(std::move(model), duration_s);
  config.warm_up_s = 2.0;
  return config;
}

std::size_t count(const RunOutput& output, std::string_view event) {
  return static_cast<std::size_t>(std::count_if(output.events.begin(), output.events.end(),
                                                [&](const auto& e) { return e.event == event; }));
}

TEST(WorldFaults, ACrashedReplicaIsReplacedAndItsWorkIsDoneByOthers) {
  WorldConfig config = steady_world(4, 120.0);
  config.models[0].faults.crashes_per_hour = 120.0;  // of each: one in 30 s
  const RunOutput output = run(config);
  const std::size_t failed = count(output, "failed");
  EXPECT_GT(failed, 5U);
  EXPECT_GE(count(output, "ready"), failed);
  EXPECT_GT(output.models[0].redispatched, 0U);
  EXPECT_EQ(output.models[0].total.lost(), 0U);
  EXPECT_EQ(output.models[0].total.answered(), output.models[0].total.planned);
}

TEST(WorldFaults, AHungReplicaIsNoticedAndReplaced) {
  WorldConfig config = steady_world(4, 200.0);
  config.models[0].faults.hangs_per_hour = 30.0;
  const RunOutput output = run(config);
  EXPECT_GT(output.models[0].hung, 0U);
  EXPECT_GT(count(output, "start_timeout"), 0U) << "its connection did not come back";
  EXPECT_GT(count(output, "gone"), 0U);
  EXPECT_GT(output.models[0].redispatched, 0U);
  EXPECT_GT(static_cast<double>(output.models[0].total.answered()),
            0.99 * static_cast<double>(output.models[0].total.planned));
}

// Every other start dies while it loads; in the end all are up.
TEST(WorldFaults, FailedStartsAreTriedAgain) {
  WorldConfig config = steady_world(4, 60.0);
  config.models[0].start.failure_ratio = 0.5;
  const RunOutput output = run(config);
  EXPECT_TRUE(output.problems.empty());
  EXPECT_GT(count(output, "failed"), 0U);
  EXPECT_EQ(output.models[0].bins[30].gauges.ready, 4.0);
}

TEST(WorldFaults, ReplicasThatNeverStartMakeNoRun) {
  WorldConfig config = steady_world(1, 60.0);
  config.models[0].start.failure_ratio = 1.0;
  const RunOutput output = run(config);
  ASSERT_EQ(output.problems.size(), 1U);
  EXPECT_EQ(output.models[0].total.planned, 0U);
}

// A late but living worker answers its ping: it is not replaced.
TEST(WorldFaults, ASlowReplicaIsNotTakenForHungForLong) {
  WorldConfig config = steady_world(1, 30.0);
  config.models[0].service.entries[0].law = Law::constant(3s);
  config.models[0].profile =
      std::make_shared<const influx::Profile>(influx::Profile::constant(0.1, 30.0));
  const RunOutput output = run(config);
  EXPECT_EQ(count(output, "failed"), 0U);
  EXPECT_GT(output.models[0].hung, 0U);
}

TEST(WorldFaults, NoisyReadingsOnlyChangeWhatTheStrategySees) {
  WorldConfig config = steady_world(1, 60.0);
  const RunOutput clean = run(config);
  config.cpu_noise_ratio = 0.3;
  const RunOutput noisy = run(config);
  EXPECT_EQ(clean.models[0].total.in_time, noisy.models[0].total.in_time);
  EXPECT_EQ(clean.models[0].accounts.cpu_used_s, noisy.models[0].accounts.cpu_used_s);
}

}  // namespace
}  // namespace spate::sim
