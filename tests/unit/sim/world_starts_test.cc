// SPDX-License-Identifier: Apache-2.0
//
// How long a start takes in the simulated world, on an idle machine and on one that computes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/sim/worlds.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

// Milliseconds from the decision until one more replica is ready. `rate_per_s` of calls of 20 ms,
// each on one CPU, for `replicas`; one more is asked for after 10 s.
double next_start_ms(double rate_per_s, double cores, int replicas = 1) {
  SimModel model = simple_model("m", replicas, rate_per_s, 30.0, Law::constant(20ms));
  model.settings.bounds.max_replicas = replicas + 1;
  model.settings.bounds.cpu_ceiling = replicas + 1.0;
  model.settings.scaled = true;
  model.deadline = 200ms;
  model.start.spawn = Law::constant(10ms);
  model.start.to_main = Law::constant(20ms);
  model.start.load = Law::constant(100ms);
  model.start_busy = StartLaws{Law::constant(30ms), Law::constant(60ms), Law::constant(110ms), 0.0};
  WorldConfig config = simple_world(std::move(model), 30.0);
  config.decide = Law::constant(5ms);
  config.cores = cores;
  World world(
      config,
      scaling::builtin_strategies().make(
          "scripted",
          ConfigReader::from_text(
              fmt::format(R"({{"steps": "[{{\"at_s\": 10, \"replicas\": {}}}]"}})", replicas + 1),
              "options")));
  const RunOutput output = world.run();
  double ready_ms = -1.0;
  for (const auto& event : output.events) {
    if (event.event == "ready" && event.after) ready_ms = to_ms(*event.after);
  }
  return ready_ms;  // of the last one
}

TEST(WorldStarts, OnAnIdleMachine) {
  // Hardly ever a request: 5 + 10 + 20 + 100 ms.
  EXPECT_NEAR(next_start_ms(0.05, 1.0), 135.0, 1.0);
}

TEST(WorldStarts, OnABusyMachineTheBusyLawsHoldAndLoadingCompetes) {
  // The one CPU is taken: 5 + 30 + 60, then 110 ms of CPU time at half of it.
  EXPECT_NEAR(next_start_ms(200.0, 1.0), 5.0 + 30.0 + 60.0 + 220.0, 5.0);
}

TEST(WorldStarts, HalfBusyIsBetweenTheTwo) {
  // One of two CPUs is taken: 5 + (10 + 30) / 2 + (20 + 60) / 2 + 105 ms, a CPU of its own.
  EXPECT_NEAR(next_start_ms(200.0, 2.0), 5.0 + 20.0 + 40.0 + 105.0, 2.0);
}

TEST(WorldStarts, BesideBusyReplicasLoadingStaysOnOneOfTheirCpus) {
  // Two busy threads on two CPUs: loading has half of one CPU, not two thirds as with equal shares.
  EXPECT_NEAR(next_start_ms(200.0, 2.0, 2), 5.0 + 30.0 + 60.0 + 220.0, 5.0);
}

TEST(WorldStarts, WithoutContentionNothingIsBusy) {
  EXPECT_NEAR(next_start_ms(200.0, 0.0), 135.0, 1.0);
}

}  // namespace
}  // namespace spate::sim
