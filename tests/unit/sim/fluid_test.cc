// SPDX-License-Identifier: Apache-2.0
//
// The fluid mode against the exact one and against what can be worked out by hand.
// scripts/measure fluid measures its error over more cases.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "unit/sim/worlds.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

double share(const RunOutput& output) {
  const Tally& total = output.models[0].total;
  return static_cast<double>(total.in_time) / static_cast<double>(total.planned);
}

// Replicas of 1 CPU with calls of 10 ms: 100/s each.
WorldConfig world_of(int replicas, double rate_per_s, double duration_s, bool fluid) {
  SimModel model = simple_model("m", replicas, rate_per_s, duration_s, Law::gamma(10ms, 0.5));
  model.deadline = 200ms;
  model.slo_latency = 200ms;
  model.route.max_queue_messages = 10'000;
  WorldConfig config = simple_world(std::move(model), duration_s);
  config.warm_up_s = 5.0;
  if (fluid) config.fluid_step = 20ms;
  return config;
}

TEST(Fluid, EveryRequestEndsExactlyOneWay) {
  for (const double rate : {150.0, 1000.0, 1e6}) {
    const RunOutput output = run(world_of(5, rate, 60.0, true));
    const ModelOutput& m = output.models[0];
    EXPECT_NEAR(static_cast<double>(m.total.planned), rate * 60.0, 1.0);
    EXPECT_EQ(m.total.lost(), 0U);
    EXPECT_EQ(m.latency.count(), m.total.answered());
    Tally bins;
    for (const Bin& bin : m.bins) bins += bin.tally;
    EXPECT_EQ(bins.in_time, m.total.in_time);
  }
}

// 5 replicas do 500/s: CPU time and answers are what the demand wants, or all there is.
TEST(Fluid, ServesWhatTheReplicasCan) {
  for (const double rate : {200.0, 450.0, 800.0}) {
    const ModelOutput m = run(world_of(5, rate, 60.0, true)).models[0];
    const double served = std::min(rate, 500.0);
    EXPECT_NEAR(static_cast<double>(m.total.answered()) / 60.0, served, 0.01 * served) << rate;
    EXPECT_NEAR(m.accounts.cpu_used_s / 60.0, served / 100.0, 0.02 * served / 100.0) << rate;
  }
}

// A quota of 0.3 CPU: 30 a second.
TEST(Fluid, AQuotaLimitsIt) {
  WorldConfig config = world_of(1, 60.0, 60.0, true);
  auto& settings = config.models[0].settings;
  settings.cpu_request = settings.cpu_limit = settings.bounds.min_cpu = settings.bounds.max_cpu =
      0.3;
  const ModelOutput m = run(config).models[0];
  EXPECT_NEAR(static_cast<double>(m.total.answered()) / 60.0, 30.0, 0.5);
  EXPECT_NEAR(m.accounts.cpu_used_s, 18.0, 0.3);
}

TEST(Fluid, BatchesRaiseWhatTheReplicasCan) {
  WorldConfig config = world_of(1, 300.0, 60.0, true);
  config.models[0].service.entries.push_back({8, Law::constant(20ms)});
  config.models[0].route.max_batch = 8;
  const ModelOutput m = run(config).models[0];
  EXPECT_GT(static_cast<double>(m.total.answered()), 0.99 * static_cast<double>(m.total.planned));
  EXPECT_LT(m.batches, m.total.planned / 2);
}

// Attainment and CPU within 3 points and 3 % of the exact mode, from idle to twice too much.
TEST(Fluid, IsNearTheExactMode) {
  for (const double rate : {100.0, 300.0, 400.0, 600.0, 1000.0}) {
    const RunOutput exact = run(world_of(5, rate, 120.0, false));
    const RunOutput fluid = run(world_of(5, rate, 120.0, true));
    EXPECT_NEAR(share(fluid), share(exact), 0.03) << rate;
    const double cpu = exact.models[0].accounts.cpu_used_s;
    EXPECT_NEAR(fluid.models[0].accounts.cpu_used_s, cpu, 0.03 * cpu) << rate;
  }
}

// The mean wait that chance adds, M/M/5 at 80 %: 5.54 ms by Erlang C (calls of 10 ms).
TEST(Fluid, ChanceMakesRequestsWait) {
  WorldConfig config = world_of(5, 400.0, 200.0, true);
  config.models[0].service.entries[0].law = Law::exponential(10ms);
  config.models[0].deadline = Duration::max();
  const double mean_ms = run(config).models[0].latency.mean_s() * 1e3;
  EXPECT_NEAR(mean_ms, 10.0 + 5.54, 1.2);
}

// The same strategies decide: one that scales does so, and starts take their time.
TEST(Fluid, StrategiesScaleIt) {
  WorldConfig config = world_of(1, 1, 120.0, true);
  config.models[0].settings.bounds = {
      .min_replicas = 1, .max_replicas = 4, .min_cpu = 1.0, .max_cpu = 1.0, .cpu_ceiling = 4.0};
  config.models[0].profile = std::make_shared<const influx::Profile>(
      std::vector<influx::Piece>{{40.0, 50.0, 0, 0, 0, 0}, {80.0, 250.0, 0, 0, 0, 0}});
  config.models[0].start.load = Law::constant(2s);
  const RunOutput none = run(config);
  const RunOutput fluid = run(config, "horizontal");
  EXPECT_GT(fluid.models[0].decisions.up, 0U);
  EXPECT_GT(share(fluid), share(none) + 0.2);
  config.fluid_step = Duration{0};
  const RunOutput exact = run(config, "horizontal");
  EXPECT_NEAR(share(fluid), share(exact), 0.05);
  EXPECT_NEAR(fluid.models[0].accounts.cpu_reserved_s, exact.models[0].accounts.cpu_reserved_s,
              0.1 * exact.models[0].accounts.cpu_reserved_s);
}

TEST(Fluid, EqualRunsHaveEqualOutputs) {
  const RunOutput first = run(world_of(3, 250.0, 60.0, true), "horizontal");
  const RunOutput second = run(world_of(3, 250.0, 60.0, true), "horizontal");
  EXPECT_EQ(first.models[0].latency.to_json(), second.models[0].latency.to_json());
  EXPECT_EQ(first.models[0].accounts.cpu_used_s, second.models[0].accounts.cpu_used_s);
}

TEST(Fluid, ModelsShareTheMachine) {
  WorldConfig config = world_of(1, 90.0, 60.0, true);
  config.models.push_back(config.models[0]);
  config.models[1].settings.name = "other";
  for (auto& model : config.models) model.deadline = 1s;
  config.cores = 1.0;
  const RunOutput output = run(config);
  for (const ModelOutput& m : output.models) {
    EXPECT_NEAR(static_cast<double>(m.total.answered()) / 60.0, 50.0, 3.0);
  }
}

TEST(Fluid, RefusesWhatItDoesNotKnow) {
  WorldConfig config = world_of(1, 10.0, 10.0, true);
  config.fluid_step = 30ms;
  EXPECT_THROW(run(config), ConfigError) << "does not divide a second";
}

}  // namespace
}  // namespace spate::sim
