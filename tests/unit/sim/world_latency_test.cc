// SPDX-License-Identifier: Apache-2.0
//
// What a latency has beside queue and call: transport by the machine's load, and calls after a
// rest.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "unit/sim/worlds.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

WorldConfig quarter_busy() {
  WorldConfig config = simple_world(simple_model("m", 1, 50.0, 200.0, Law::constant(10ms)), 200.0);
  config.cores = 2.0;  // half of one
  return config;
}

TEST(WorldTransport, IsDrawnByTheLoadOfTheMachine) {
  WorldConfig config = quarter_busy();
  const double without = run(config).models[0].latency.mean_s();
  config.transport = {{0.0, Law::constant(0ms)}, {1.0, Law::constant(1s)}};
  // A quarter of the answers take the busy machine's way.
  EXPECT_NEAR(run(config).models[0].latency.mean_s() - without, 0.25, 0.05);
  // On the straight line between the two laws around the load.
  config.transport = {{0.0, Law::constant(0ms)}, {0.5, Law::constant(1s)}, {1.0, Law{}}};
  EXPECT_NEAR(run(config).models[0].latency.mean_s() - without, 0.5, 0.1);
  config.cores = 0.0;  // nobody shares anything
  EXPECT_NEAR(run(config).models[0].latency.mean_s(), without, 1e-3);
}

TEST(WorldTransport, ReplacesTheMeansOfBothWays) {
  WorldConfig config = quarter_busy();
  const double without = run(config).models[0].latency.mean_s();
  config.to_gateway = config.from_gateway = Law::constant(2ms);
  EXPECT_NEAR(run(config).models[0].latency.mean_s() - without, 0.004, 1e-4);
  config.transport = {{0.0, Law::constant(7ms)}};
  EXPECT_NEAR(run(config).models[0].latency.mean_s() - without, 0.007, 1e-4);
}

TEST(WorldTransport, EqualSeedsGiveEqualLatencies) {
  WorldConfig config = quarter_busy();
  config.transport = {{0.0, Law::exponential(1ms)}, {1.0, Law::exponential(20ms)}};
  const auto first = run(config).models[0].latency.to_json();
  EXPECT_EQ(first, run(config).models[0].latency.to_json());
  config.seed = 2;
  EXPECT_NE(first, run(config).models[0].latency.to_json());
}

TEST(WorldTransport, RefusesLawsOutOfOrder) {
  WorldConfig config = quarter_busy();
  config.transport = {{0.5, Law{}}};
  EXPECT_THROW(run(config), ConfigError);
  config.transport = {{0.0, Law{}}, {0.5, Law{}}, {0.5, Law{}}};
  EXPECT_THROW(run(config), ConfigError);
}

// CPU time of a call on average.
double call_s(double rate_per_s, int max_batch = 1) {
  SimModel model = simple_model("m", 1, rate_per_s, 100.0, Law::constant(1ms));
  model.rested_after = 10ms;
  model.service_rested = Law::constant(5ms);
  model.route.max_batch = max_batch;
  const RunOutput out = run(simple_world(std::move(model), 100.0));
  return out.models[0].accounts.cpu_used_s / static_cast<double>(out.models[0].total.answered());
}

TEST(WorldRest, CallsAfterItTakeTheirOwnTime) {
  EXPECT_NEAR(call_s(2.0), 0.005, 0.0003) << "the next one within 10 ms: 2 of 100";
  EXPECT_NEAR(call_s(600.0), 0.001, 0.0001) << "hardly ever 10 ms without a call";
}

}  // namespace
}  // namespace spate::sim
