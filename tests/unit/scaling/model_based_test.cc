// SPDX-License-Identifier: Apache-2.0
//
// The model-based strategies at values worked out by hand.
#include <gtest/gtest.h>

#include <cmath>

#include "spate/scaling/kit/queueing.h"
#include "spate/scaling/kit/readings.h"
#include "testing/strategy_world.h"

namespace spate::scaling {
namespace {

TEST(Queueing, ErlangsFormulasMatchTheirTables) {
  // Standard table values.
  EXPECT_NEAR(erlang_b(1, 1.0), 0.5, 1e-12);
  EXPECT_NEAR(erlang_b(10, 5.0), 0.0184, 5e-5);
  EXPECT_NEAR(erlang_c(1, 0.5), 0.5, 1e-12);  // M/M/1: the utilisation
  EXPECT_NEAR(erlang_c(10, 8.0), 0.4092, 5e-5);
  EXPECT_EQ(erlang_c(8, 9.0), 1.0);
}

TEST(Queueing, WaitingTimeQuantilesOfTheCatalogue) {
  // 80/s at 10/s a server, P99: 186 ms with 10 servers, 66 ms with 12; half with even service.
  QueueModel queue{.arrivals_per_s = 80, .server_rate_per_s = 10};
  EXPECT_NEAR(wait_quantile_s(queue, 10, 0.99), 0.186, 0.0005);
  EXPECT_NEAR(wait_quantile_s(queue, 12, 0.99), 0.066, 0.0005);
  queue.service_cv = 0.0;
  EXPECT_NEAR(wait_quantile_s(queue, 10, 0.99), 0.093, 0.0005);
  EXPECT_NEAR(wait_quantile_s(queue, 12, 0.99), 0.033, 0.0005);
  EXPECT_TRUE(std::isinf(wait_quantile_s(queue, 8, 0.99)));
  EXPECT_NEAR(mean_wait_s(queue, 10), 0.4092 / 20 / 2, 1e-5);
}

TEST(Queueing, FewestServersIsTheFirstThatMeetsTheLimit) {
  const QueueModel queue{.arrivals_per_s = 80, .server_rate_per_s = 10};
  EXPECT_EQ(fewest_servers(queue, 0.99, 0.187, 100), 10);
  EXPECT_EQ(fewest_servers(queue, 0.99, 0.067, 100), 12);
  EXPECT_EQ(fewest_servers(queue, 0.99, 0.187, 9), std::nullopt);
  EXPECT_EQ(fewest_servers(queue, 0.99, 0.187, 100, 4), 12);  // they come in fours
  EXPECT_EQ(fewest_servers(queue, 0.99, -0.1, 100), std::nullopt);
}

TEST(Queueing, NormalQuantiles) {
  EXPECT_NEAR(normal_quantile(0.5), 0.0, 1e-12);
  EXPECT_NEAR(normal_quantile(0.975), 1.959964, 1e-6);
  EXPECT_NEAR(normal_quantile(0.001), -3.090232, 1e-6);
}

TEST(Readings, CeilingForgivesWhatDoublesLose) {
  EXPECT_EQ(ceil_replicas(0.3 / 0.1), 3);
  EXPECT_EQ(ceil_replicas(3.01), 4);
  EXPECT_EQ(ceil_replicas(0.0), 0);
  EXPECT_EQ(ceil_replicas(1e300), 1'000'000);
}

TEST(Readings, PeakHoldTakesTheLargestOfTheSpan) {
  PeakHold peak;
  const TimePoint t{std::chrono::hours(1)};
  const auto at = [&](int s) { return t + std::chrono::seconds(s); };
  EXPECT_EQ(peak.push(at(0), 3, std::chrono::seconds(10)), 3);
  EXPECT_EQ(peak.push(at(1), 5, std::chrono::seconds(10)), 5);
  EXPECT_EQ(peak.push(at(5), 2, std::chrono::seconds(10)), 5);
  EXPECT_EQ(peak.push(at(10), 1, std::chrono::seconds(10)), 5);
  EXPECT_EQ(peak.push(at(11), 1, std::chrono::seconds(10)), 2);  // the 5 is 10 s old
  EXPECT_EQ(peak.push(at(21), 0, std::chrono::seconds(10)), 0);
}

// 2 ready replicas of 0.3 CPU that serve 3 requests/s each: 0.1 CPU-seconds a request.
StrategyWorld ready_world(const char* strategy, const std::string& options) {
  StrategyWorld world(strategy, options);
  world.ready(2);
  return world;
}

TEST(Backlog, CountsArrivalsAndTheQueue) {
  auto world = ready_world("backlog",
                           "{utilisation_ratio: 0.5, drain_s: 4, scale_in_s: 10, "
                           "rate_per_s: 3}");
  EXPECT_EQ(world.decide({{"arrivals", 6.0}, {"waiting", 0.0}}).replicas, 4);   // 6 / 1.5
  EXPECT_EQ(world.decide({{"arrivals", 6.0}, {"waiting", 12.0}}).replicas, 6);  // (6 + 3) / 1.5
  EXPECT_EQ(world.decide({{"arrivals", 1.0}, {"waiting", 0.0}}).replicas, 6);   // held for 10 s
  for (int i = 0; i < 9; ++i) world.decide({{"arrivals", 1.0}, {"waiting", 0.0}});
  const Target in = world.decide({{"arrivals", 1.0}, {"waiting", 0.0}});
  EXPECT_EQ(in.replicas, 1);
  EXPECT_NE(in.reason.find("1.0 arrivals/s"), std::string::npos) << in.reason;
}

TEST(Backlog, LearnsWhatARequestCostsFromCpuTime) {
  auto world = ready_world("backlog", "{utilisation_ratio: 1.0, scale_in_s: 0}");
  EXPECT_EQ(world.decide({{"arrivals", 6.0}, {"waiting", 0.0}}).reason,
            "hold: what a request costs is not known yet");
  // 2 replicas use 0.15 CPU each for 3 answers/s: 0.1 CPU-seconds; 0.3 CPU serve 3/s.
  const Values load{{"arrivals", 9.0}, {"waiting", 0.0}, {"cpu", 0.15}, {"answers", 3.0}};
  EXPECT_EQ(world.decide(load).replicas, 3);
  // While one starts nothing is learned: its loading is no request's cost.
  world.starting(1);
  const Values loading{{"arrivals", 9.0}, {"waiting", 0.0}, {"cpu", 0.9}, {"answers", 3.0}};
  EXPECT_EQ(world.decide(loading).replicas, 3);
}

TEST(ErlangC, StaffsForTheWaitingTime) {
  // One CPU a replica, 10/s each (100 ms), exponential service; 286 ms for 99 %. Service quantile
  // with service_cv 0 is 100 ms, so 186 ms may be waited; ca = sqrt(2) makes the factor 1 again.
  StrategyWorld world("erlang_c",
                      "{rate_per_s: 10, arrivals_cv: 1.4142135623730951, service_cv: 0, "
                      "scale_in_s: 0}");
  world.model().initial_cpu_limit = world.model().cpu_limit = 1.0;
  world.model().bounds.max_replicas = 50;
  world.model().slo_target = 0.99;
  world.ready(8);
  world.model().slo_latency_s = 0.287;
  EXPECT_EQ(world.decide({{"arrivals", 80.0}, {"waiting", 0.0}}).replicas, 10);
  world.model().slo_latency_s = 0.167;
  EXPECT_EQ(world.decide({{"arrivals", 80.0}, {"waiting", 0.0}}).replicas, 12);
  // 50 waiting within 5 s are 10/s more.
  EXPECT_GT(world.decide({{"arrivals", 80.0}, {"waiting", 50.0}}).replicas, 12);
  // An objective below the service time cannot be met; utilisation 0.9 is kept: 80 / 9.
  world.model().slo_latency_s = 0.05;
  const Target hopeless = world.decide({{"arrivals", 80.0}, {"waiting", 0.0}});
  EXPECT_EQ(hopeless.replicas, 9);
  EXPECT_NE(hopeless.reason.find("alone is above the objective"), std::string::npos);
  EXPECT_EQ(world.decide({{"arrivals", 0.0}, {"waiting", 0.0}}).replicas, 0);
}

TEST(VerticalBridge, GivesCpuWhileAReplicaStartsAndTakesItBack) {
  auto world =
      ready_world("vertical_bridge", "{utilisation_ratio: 1.0, rate_per_s: 3, scale_in_s: 0}");
  world.model().bounds = {
      .min_replicas = 1, .max_replicas = 4, .min_cpu = 0.3, .max_cpu = 0.9, .cpu_ceiling = 3.0};
  const Target surge = world.decide({{"arrivals", 9.0}, {"waiting", 0.0}});
  EXPECT_EQ(surge.replicas, 3);
  EXPECT_NEAR(surge.cpu_limit.value_or(0.0), 0.45, 1e-9);  // 9/s over 2 ready, 0.1 CPU-s each
  world.starting(1);
  EXPECT_NEAR(world.decide({{"arrivals", 9.0}, {"waiting", 0.0}}).cpu_limit.value_or(0.0), 0.45,
              1e-9);
  world.ready(3);
  EXPECT_NEAR(world.decide({{"arrivals", 9.0}, {"waiting", 0.0}}).cpu_limit.value_or(0.0), 0.3,
              1e-9);
  // A ceiling that three replicas of 0.3 fill leaves nothing.
  world.ready(2);
  world.model().bounds.cpu_ceiling = 0.9;
  const Target full = world.decide({{"arrivals", 9.0}, {"waiting", 0.0}});
  EXPECT_NEAR(full.cpu_limit.value_or(0.0), 0.3, 1e-9);
  EXPECT_NE(full.reason.find("leaves no CPU"), std::string::npos) << full.reason;
}

TEST(Hybrid, WeighsStartUpAgainstCpu) {
  auto world = ready_world("hybrid",
                           "{utilisation_ratio: 1.0, rate_per_s: 3, scale_in_s: 0, step_cpus: 0.1, "
                           "horizon_s: 10, replica_overhead_cpus: 0.05}");
  world.model().bounds = {
      .min_replicas = 1, .max_replicas = 6, .min_cpu = 0.3, .max_cpu = 0.9, .cpu_ceiling = 1.8};
  world.model().start_ups = {std::chrono::seconds(5)};
  // 12/s are 1.2 CPUs: 2 x 0.6 needs no start; 4 x 0.3 would miss half the demand for 5 s.
  const Target surge = world.decide({{"arrivals", 12.0}, {"waiting", 0.0}});
  EXPECT_EQ(surge.replicas, 2);
  EXPECT_NEAR(surge.cpu_limit.value_or(0.0), 0.6, 1e-9);
  // 18/s fill the ceiling of 1.8.
  const Target most = world.decide({{"arrivals", 18.0}, {"waiting", 0.0}});
  EXPECT_NEAR(most.replicas * most.cpu_limit.value_or(0.0), 1.8, 1e-6);
  const Target beyond = world.decide({{"arrivals", 90.0}, {"waiting", 0.0}});
  EXPECT_NE(beyond.reason.find("are the most there is"), std::string::npos) << beyond.reason;
  // Nearly nothing to do: the least that is allowed.
  const Target idle = world.decide({{"arrivals", 0.5}, {"waiting", 0.0}});
  EXPECT_EQ(idle.replicas, 1);
  EXPECT_NEAR(idle.cpu_limit.value_or(0.0), 0.3, 1e-9);
}

}  // namespace
}  // namespace spate::scaling
