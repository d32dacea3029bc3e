// SPDX-License-Identifier: Apache-2.0
//
// Crashes, hung workers and starts that fail: the live objects put them right in the simulated
// world, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
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

// --- the script ---------------------------------------------------------------------------------

double at_of(const RunOutput& output, std::string_view event, std::size_t which = 0) {
  for (const auto& e : output.events) {
    if (e.event == event && which-- == 0) return to_seconds(e.at - output.measured_from);
  }
  return -1.0;
}

TEST(WorldScript, ReplicasCrashWhenTheScriptSaysSo) {
  WorldConfig config = steady_world(4, 60.0);
  EXPECT_EQ(count(run(config), "failed"), 0U);
  config.script.push_back({.kind = ScriptedFault::Kind::Crash, .at_s = 20.5, .count = 2});
  const RunOutput output = run(config);
  EXPECT_EQ(count(output, "failed"), 2U);
  EXPECT_DOUBLE_EQ(at_of(output, "failed"), 20.5);
  EXPECT_DOUBLE_EQ(at_of(output, "failed", 1), 20.5);
  EXPECT_EQ(count(output, "ready"), 6U) << "both were replaced";
  EXPECT_EQ(output.models[0].bins[19].gauges.ready, 4.0);
  EXPECT_EQ(output.models[0].bins[59].gauges.ready, 4.0);
  EXPECT_EQ(output.models[0].total.answered(), output.models[0].total.planned);
}

TEST(WorldScript, AHungReplicaOfTheScriptIsReplaced) {
  WorldConfig config = steady_world(4, 90.0);
  config.script.push_back({.kind = ScriptedFault::Kind::Hang, .at_s = 10.0});
  const RunOutput output = run(config);
  EXPECT_EQ(output.models[0].hung, 1U);
  EXPECT_GT(output.models[0].redispatched, 0U);
  EXPECT_EQ(output.models[0].bins[89].gauges.ready, 4.0);
}

// The next two starts after a crash die, too; the third one is up.
TEST(WorldScript, StartsFailWhenTheScriptSaysSo) {
  WorldConfig config = steady_world(2, 60.0);
  config.script.push_back({.kind = ScriptedFault::Kind::StartFailure, .at_s = 5.0, .count = 2});
  config.script.push_back({.kind = ScriptedFault::Kind::Crash, .at_s = 10.0});
  const RunOutput output = run(config);
  EXPECT_EQ(count(output, "failed"), 3U);
  EXPECT_EQ(output.models[0].bins[59].gauges.ready, 2.0);
}

// 30 requests a second of 20 ms on one CPU fit (60 %), at a quarter of its speed they do not.
TEST(WorldScript, ASlowMachineServesLess) {
  WorldConfig config = steady_world(1, 60.0);
  config.models[0].profile =
      std::make_shared<const influx::Profile>(influx::Profile::constant(30.0, 60.0));
  config.models[0].deadline = 1s;
  config.script.push_back(
      {.kind = ScriptedFault::Kind::SlowMachine, .at_s = 20.0, .for_s = 20.0, .speed_ratio = 0.25});
  for (const double cores : {0.0, 8.0}) {  // both ways of computing the calls' ends
    config.cores = cores;
    const auto bins = run(config).models[0].bins;
    const auto per_s = [&](std::size_t from, std::size_t until) {
      double sum = 0.0;
      for (std::size_t s = from; s < until; ++s) {
        sum += static_cast<double>(bins[s].tally.answered());
      }
      return sum / static_cast<double>(until - from);
    };
    EXPECT_NEAR(per_s(0, 20), 30.0, 3.0) << cores;
    EXPECT_NEAR(per_s(22, 39), 12.5, 1.0) << cores;
    EXPECT_NEAR(per_s(42, 60), 30.0, 3.0) << cores;
    EXPECT_NEAR(bins[30].gauges.cpu_cores, 0.25, 0.01) << cores;
  }
}

// A strategy that sees no CPU readings holds; as soon as it sees them again it acts.
TEST(WorldScript, WithoutReadingsAStrategyHolds) {
  SimModel model = simple_model("m", 1, 1, 1, Law::constant(20ms));
  model.settings.bounds = {
      .min_replicas = 1, .max_replicas = 3, .min_cpu = 1.0, .max_cpu = 1.0, .cpu_ceiling = 3.0};
  model.profile = std::make_shared<const influx::Profile>(
      std::vector<influx::Piece>{{20.0, 5.0, 0, 0, 0, 0}, {60.0, 80.0, 0, 0, 0, 0}});
  model.deadline = 1s;
  WorldConfig config = simple_world(std::move(model), 80.0);
  EXPECT_LT(at_of(run(config, "horizontal"), "replica_started", 1), 35.0);
  config.script.push_back({.kind = ScriptedFault::Kind::NoReadings, .at_s = 15.0, .for_s = 40.0});
  const RunOutput blind = run(config, "horizontal");
  EXPECT_GT(at_of(blind, "replica_started", 1), 55.0);
  EXPECT_GT(blind.models[0].decisions.up, 0U);
}

TEST(WorldScript, EqualScriptsGiveEqualRuns) {
  WorldConfig config = steady_world(3, 40.0);
  config.script.push_back({.kind = ScriptedFault::Kind::Crash, .at_s = 10.0});
  config.script.push_back({.kind = ScriptedFault::Kind::Hang, .at_s = 10.0});
  const RunOutput first = run(config);
  const RunOutput second = run(config);
  EXPECT_EQ(first.models[0].latency.to_json(), second.models[0].latency.to_json());
  ASSERT_EQ(first.events.size(), second.events.size());
  for (std::size_t i = 0; i < first.events.size(); ++i) {
    EXPECT_EQ(first.events[i].at, second.events[i].at);
    EXPECT_EQ(first.events[i].replica, second.events[i].replica);
  }
}

TEST(WorldScript, RefusesWhatItCannotPlay) {
  WorldConfig config = steady_world(1, 10.0);
  config.script.push_back({.kind = ScriptedFault::Kind::Crash, .at_s = 1.0, .model = 1});
  EXPECT_THROW(run(config), ConfigError);
  config.script[0] = {.kind = ScriptedFault::Kind::SlowMachine, .at_s = 1.0, .speed_ratio = 0.0};
  EXPECT_THROW(run(config), ConfigError);
}

}  // namespace
}  // namespace spate::sim
