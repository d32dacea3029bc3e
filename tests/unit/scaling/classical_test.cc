// SPDX-License-Identifier: Apache-2.0
//
// The studies' autoscalers, AWS target tracking, forecasts and baselines at values worked out by
// hand.
#include <gtest/gtest.h>

#include <cmath>

#include "spate/base/config_error.h"
#include "spate/scaling/kit/forecast.h"
#include "testing/strategy_world.h"

namespace spate::scaling {
namespace {

// One replica serves 1/s, so arrivals are the load in replicas.
constexpr const char* kUnit = "{rate_per_s: 1, utilisation_ratio: 1.0}";

Values load(double replicas) { return {{"arrivals", replicas}, {"waiting", 0.0}}; }

TEST(React, KeepsTwoSpare) {
  StrategyWorld world("react", kUnit);
  world.ready(4);
  EXPECT_EQ(world.decide(load(4.0)).replicas, 6);  // L - cap = 0: two more than the load
  EXPECT_EQ(world.decide(load(4.5)).replicas, 6);  // 5 of 6: hold
  EXPECT_EQ(world.decide(load(4.0)).replicas, 6);  // 4 of 6: hold
  EXPECT_EQ(world.decide(load(1.0)).replicas, 3);  // 5 too many: removes 3, not 7
  EXPECT_EQ(world.decide(load(10.0)).replicas, 12);
}

TEST(Adapt, AddsTheWholeGapAndRemovesAFifteenth) {
  StrategyWorld world("adapt", kUnit);
  world.ready(4);
  EXPECT_EQ(world.decide(load(6.0)).replicas, 8);  // +2 by the gap, topped up to L + 2
  world.ready(20);
  // A gap of -15 is one replica a period.
  EXPECT_EQ(world.decide(load(5.0)).replicas, 19);
  world.ready(19);
  const Target slow = world.decide(load(12.0));  // -7/15: not a whole one yet
  EXPECT_EQ(slow.replicas, 19);
  EXPECT_EQ(slow.reason.substr(0, 5), "hold:");
}

TEST(Hist, LearnsTheHoursQuantileAndDistrustsItWhenTooLow) {
  StrategyWorld world("hist", "{rate_per_s: 1, utilisation_ratio: 1.0, quantile: 0.9}");
  world.ready(1);
  EXPECT_EQ(world.decide(load(3.0)).replicas, 3);  // nothing known yet
  for (int i = 0; i < 9; ++i) world.decide(load(3.0));
  EXPECT_EQ(world.decide(load(1.0)).replicas, 3);          // nine tenths and more were 3
  for (int l = 9; l <= 27; l += 3) world.decide(load(l));  // each above what was learned
  EXPECT_GE(world.decide(load(20.0)).replicas, 22);        // too low seven times: L + 2
}

TEST(Reg, FallsAlongAParabolaAndNeverRisesByIt) {
  StrategyWorld world("reg", kUnit);
  world.ready(2);
  EXPECT_EQ(world.decide(load(16.0)).replicas, 16);  // more than there is: at once
  // 16, 15, 14, 13: the parabola is a line and says 12.
  world.decide(load(15.0));
  world.decide(load(14.0));
  EXPECT_EQ(world.decide(load(13.0)).replicas, 12);
  // Rising within the capacity: held, where a prototype falls to 0.
  StrategyWorld rising("reg", kUnit);
  rising.ready(8);
  for (const double l : {1.0, 3.0, 5.0}) {
    rising.decide(load(l));
    rising.ready(8);
  }
  EXPECT_EQ(rising.decide(load(8.0)).replicas, 8);
}

TEST(Conpaas, IsReactiveThenForecasts) {
  StrategyWorld world("conpaas", kUnit);
  world.ready(2);
  for (int i = 1; i <= 20; ++i) EXPECT_EQ(world.decide(load(i)).replicas, i);
  // A perfect line: the linear fit is best. 20 steps ahead with weights 0..19 from 22 on:
  // 22 + (sum of i (i - 1) for 1 to 20) / 190 = 22 + 14.
  world.decide(load(21.0));
  const Target forecast = world.decide(load(22.0));
  EXPECT_NE(forecast.reason.find("linear fit"), std::string::npos) << forecast.reason;
  EXPECT_EQ(forecast.replicas, 36);
}

TEST(AwsTargetTracking, ThreeDatapointsOutFifteenIn) {
  StrategyWorld world("aws_target_tracking", "{target_cpu_ratio: 0.5}");
  world.ready(4);
  const Values high{{"cpu_over_request", 0.8}};
  const Values low{{"cpu_over_request", 0.2}};
  EXPECT_EQ(world.decide(high).replicas, 4);
  EXPECT_EQ(world.decide(high).replicas, 4);
  EXPECT_EQ(world.decide(high).replicas, 7);  // ceil(4 x 0.8 / 0.5)
  EXPECT_EQ(world.decide(high).replicas, 7);  // in cooldown: 4 x 1.6 is what it has
  EXPECT_EQ(world.decide({{"cpu_over_request", 1.0}}).replicas, 8);  // asks for more than that
  for (int i = 0; i < 14; ++i) EXPECT_EQ(world.decide(low).replicas, 8);
  EXPECT_EQ(world.decide(low).replicas, 4);  // ceil(8 x 0.4)
  EXPECT_EQ(world.decide(low).replicas, 4);  // in cooldown
  EXPECT_EQ(world.decide({}).replicas, 4);   // no data
}

TEST(AwsTargetTracking, InvocationsNeedATarget) {
  EXPECT_THROW(StrategyWorld("aws_target_tracking", "{metric: invocations}"), ConfigError);
  StrategyWorld world("aws_target_tracking",
                      "{metric: invocations, target_per_minute: 90, out_datapoints: 1}");
  world.ready(2);
  EXPECT_EQ(world.decide({{"arrivals", 6.0}}).replicas, 4);  // 180 a minute each
}

TEST(Forecast, AStraightLineAndASeasonAreLearned) {
  ForecastSettings settings{.season = 4, .horizon = 1};
  Forecaster line;
  for (int i = 0; i < 3; ++i) line.add(5.0, settings);
  EXPECT_NEAR(line.ahead(2, settings).mean, 5.0, 1e-9);

  Forecaster season;
  const double values[] = {10.0, 20.0, 30.0, 20.0};
  for (int i = 0; i < 400; ++i) season.add(values[i % 4], settings);
  for (int h = 1; h <= 6; ++h) {
    EXPECT_NEAR(season.ahead(h, settings).mean, values[(399 + h) % 4], 0.01) << h;
  }
  EXPECT_NEAR(season.ahead(1, settings).spread, 0.0, 0.1);
  settings.method = ForecastMethod::SeasonalNaive;
  EXPECT_NEAR(season.ahead(3, settings).mean, values[402 % 4], 1e-9);
  EXPECT_NEAR(season.ahead(0, settings).mean, values[399 % 4], 1e-9);
}

TEST(Predictive, StartsReplicasBeforeASeasonsRise) {
  const std::string options =
      "{rate_per_s: 1, bucket_s: 1, season_s: 60, start_up_s: 5, scale_in_s: 0, quantile: 0.5, "
      "method: seasonal_naive, window_s: 1}";
  StrategyWorld ahead("predictive", options);
  StrategyWorld behind("erlang_c", "{rate_per_s: 1, scale_in_s: 0, window_s: 1}");
  for (auto* world : {&ahead, &behind}) {
    world->ready(2);
    world->model().initial_cpu_limit = world->model().cpu_limit = 1.0;
    world->model().slo_latency_s = 5.0;
  }
  const auto rate = [](int second) { return second % 60 < 30 ? 1.0 : 10.0; };
  Target early, late;
  for (int second = 0; second < 4 * 60 + 27; ++second) {
    Values values = load(rate(second));
    values["bucket_arrivals"] = rate(second);
    early = ahead.decide(values);
    late = behind.decide(values);
  }
  // Three seconds before the rise: within the start-up of five.
  EXPECT_GE(early.replicas, 10) << early.reason;
  EXPECT_LE(late.replicas, 3) << late.reason;
}

TEST(Baselines, RefuseToBeMadeWithoutASchedule) {
  for (const char* name : {"static_peak", "static_mean", "oracle_rate", "oracle_boot"}) {
    try {
      builtin_strategies().make(name, std::nullopt);
      ADD_FAILURE() << name;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find("needs the schedule of the demand"),
                std::string::npos);
    }
  }
}

TEST(Baselines, FollowTheScheduleFromTheFirstArrivalOn) {
  const DemandByModel demand{
      {"m", {.step_s = 10.0, .rates_per_s = {1.0, 1.0, 8.0, 2.0}, .capacity_per_s = {}}}};
  const std::string options = "{rate_per_s: 2, sample_s: 1, tick_s: 1}";
  const auto at = [&](const char* name, int second) {
    StrategyWorld world(name, options, demand);
    world.ready(1);
    world.model().start_ups = {std::chrono::seconds(4)};
    world.decide(load(0.0));
    Target last = world.decide(load(1.0));  // begins here, one sample ago
    for (int i = 1; i < second; ++i) last = world.decide(load(1.0));
    return last.replicas;
  };
  EXPECT_EQ(at("static_peak", 1), 4);
  EXPECT_EQ(at("static_mean", 1), 2);  // 3/s
  EXPECT_EQ(at("oracle_rate", 15), 1);
  EXPECT_EQ(at("oracle_rate", 21), 4);
  EXPECT_EQ(at("oracle_boot", 10), 1);
  EXPECT_EQ(at("oracle_boot", 16), 4);  // 4 s of start and a tick ahead of 20 s
  EXPECT_EQ(at("oracle_boot", 31), 1);
}

TEST(Demand, IsReadStrictly) {
  const auto read = [](const std::string& text) {
    return read_demand(ConfigReader::from_text(text, "g.json: strategy.demand"));
  };
  EXPECT_EQ(read("{a: {step_s: 2, rates_per_s: [1, 3], capacity_per_s: 4}}").at("a").mean(), 2.0);
  EXPECT_THROW(read("{a: {step_s: 2, rates_per_s: []}}"), ConfigError);
  EXPECT_THROW(read("{a: {step_s: 2, rates: [1]}}"), ConfigError);
  EXPECT_THROW(read("{a: {step_s: 0, rates_per_s: [1]}}"), ConfigError);
}

}  // namespace
}  // namespace spate::scaling
