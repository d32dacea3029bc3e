// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/wrappers/metrics_wrapper.h"

#include <gtest/gtest.h>

#include <cmath>

#include "spate/base/config_error.h"
#include "testing/scripted_strategy.h"

namespace spate::scaling {
namespace {

using namespace std::chrono_literals;

struct Looks : ScriptedStrategy {
  Looks() {
    wants.metrics.push_back({.name = "cpu", .signal = Signal::CpuUsage, .delay = 2s});
    wants.metrics.push_back({.name = "queue", .signal = Signal::QueueLength});
  }
  const Needs& needs() const override { return wants; }
  Needs wants;
};

struct Shown {
  Looks* inner;
  std::unique_ptr<Strategy> outer;
};
Shown wrapped(const std::string& settings) {
  auto inner = std::make_unique<Looks>();
  Looks* looks = inner.get();
  return {looks, wrap(std::move(inner),
                      ConfigReader::from_text("[{kind: metrics, " + settings + "}]", "s.yaml"))};
}

// Two replicas at 0.4 and 0.8 CPU, a queue of 100, read at `at`.
Observation observation(TimePoint at) {
  ModelView model;
  model.model = "m";
  MetricView cpu;
  cpu.value = 0.6;
  cpu.newest = at;
  cpu.replicas = {{.replica = "a", .value = 0.4, .newest = at},
                  {.replica = "b", .value = 0.8, .newest = at}};
  MetricView queue;
  queue.value = 100.0;
  queue.newest = at;
  queue.history = {{at - 1s, 90.0}, {at, 100.0}};
  model.metrics = {cpu, queue};
  return {.now = at, .models = {model}};
}

TEST(MetricsWrapper, TheSamplersGetTheDelay) {
  const auto w = wrapped("delay_s: 7.5");
  ASSERT_EQ(w.outer->needs().metrics.size(), 2U);
  EXPECT_EQ(w.outer->needs().metrics[0].delay, 9500ms) << "on top of its own";
  EXPECT_EQ(w.outer->needs().metrics[1].delay, 7500ms);
  (void)w.outer->decide(observation(TimePoint(1h)));
  EXPECT_EQ(w.inner->last.models[0].metrics[0].value, 0.6) << "no noise was asked for";
}

TEST(MetricsWrapper, AReadingHasOneErrorHoweverOftenItIsShown) {
  const auto w = wrapped("noise_ratio: 0.2");
  (void)w.outer->decide(observation(TimePoint(1h)));
  const ModelView first = w.inner->last.models[0];
  (void)w.outer->decide(observation(TimePoint(1h)));
  const ModelView again = w.inner->last.models[0];
  EXPECT_EQ(first.metrics[1].value, again.metrics[1].value);
  EXPECT_NE(first.metrics[1].value, 100.0);
  EXPECT_EQ(first.metrics[1].history[1].value, first.metrics[1].value)
      << "the same reading in the history";
  const MetricView& cpu = first.metrics[0];
  EXPECT_NE(cpu.replicas[0].value, 0.4);
  EXPECT_DOUBLE_EQ(*cpu.value, (cpu.replicas[0].value + cpu.replicas[1].value) / 2.0);
  (void)w.outer->decide(observation(TimePoint(1h + 1s)));
  EXPECT_NE(w.inner->last.models[0].metrics[1].value, first.metrics[1].value);

  const auto other = wrapped("noise_ratio: 0.2, noise_seed: 2");
  (void)other.outer->decide(observation(TimePoint(1h)));
  EXPECT_NE(other.inner->last.models[0].metrics[1].value, first.metrics[1].value);
}

TEST(MetricsWrapper, TheErrorsHaveTheAskedSpread) {
  const auto w = wrapped("noise_ratio: 0.2");
  constexpr int kReadings = 5000;
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < kReadings; ++i) {
    (void)w.outer->decide(observation(TimePoint(1h + i * 1s)));
    const double error = *w.inner->last.models[0].metrics[1].value / 100.0 - 1.0;
    sum += error;
    squares += error * error;
  }
  EXPECT_NEAR(sum / kReadings, 0.0, 5.0 * 0.2 / std::sqrt(kReadings));
  EXPECT_NEAR(std::sqrt(squares / kReadings), 0.2, 0.01);
}

TEST(MetricsWrapper, NothingKnownStaysNothing) {
  const auto w = wrapped("noise_ratio: 0.2");
  Observation seen = observation(TimePoint(1h));
  for (auto& metric : seen.models[0].metrics) metric = {};
  (void)w.outer->decide(seen);
  EXPECT_FALSE(w.inner->last.models[0].metrics[0].value);
}

TEST(MetricsWrapper, ReadsStrictly) {
  EXPECT_THROW(wrapped("delay_s: -1"), ConfigError);
  EXPECT_THROW(wrapped("noise_ratio: 1.5"), ConfigError);
  EXPECT_THROW(wrapped("noise: 0.1"), ConfigError);
}

}  // namespace
}  // namespace spate::scaling
