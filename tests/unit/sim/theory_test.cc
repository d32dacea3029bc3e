// SPDX-License-Identifier: Apache-2.0
//
// The simulated queue against queueing theory: means and quantiles of the waiting time must lie
// within the 99 % confidence interval of 20 independent runs (Student's t, 19 degrees of freedom).
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "unit/sim/worlds.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

constexpr int kRuns = 20;
constexpr double kStudent99 = 2.861;
constexpr double kRequests = 40'000;  // of each run

struct Interval {
  double mean = 0.0;
  double half = 0.0;
};

Interval interval_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  double squares = 0.0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const double n = static_cast<double>(values.size());
  return {mean, kStudent99 * std::sqrt(squares / (n - 1.0) / n)};
}

// The end of the histogram's bucket that `t` lies in: there a count is exact.
Duration bucket_end(double t_s) {
  Histogram one;
  one.record(from_seconds(t_s));
  one.record(from_seconds(10.0 * t_s));
  return one.quantile(0.5);
}

struct Theory {
  double mean_wait_s = 0.0;
  std::function<double(double)> waits_longer;  // P(wait > t)
};

void agrees(const SimModel& model, double rate_per_s, const Theory& theory) {
  const double duration_s = kRequests / rate_per_s;
  // Where 10 % and 1 % wait longer.
  std::vector<Duration> times;
  for (const double tail : {0.1, 0.01}) {
    double low = 0.0;
    // Beyond, and Erlang's alternating sum for M/D/1 is nothing but rounding far beyond it.
    double high = 20.0 * theory.mean_wait_s;
    for (int i = 0; i < 100; ++i) {
      const double middle = 0.5 * (low + high);
      (theory.waits_longer(middle) > tail ? low : high) = middle;
    }
    times.push_back(bucket_end(low));
  }
  std::vector<double> means;
  std::vector<std::vector<double>> tails(times.size());
  for (int i = 0; i < kRuns; ++i) {
    WorldConfig config = simple_world(model, duration_s);
    config.models[0].profile =
        std::make_shared<const influx::Profile>(influx::Profile::constant(rate_per_s, duration_s));
    config.warm_up_s = 0.1 * duration_s;
    config.record_waits = true;
    config.run = static_cast<std::uint64_t>(i);
    const RunOutput output = run(config);
    ASSERT_TRUE(output.problems.empty());
    const Histogram& waits = output.models[0].waits;
    EXPECT_EQ(output.models[0].total.lost(), 0U);
    means.push_back(waits.mean_s());
    for (std::size_t t = 0; t < times.size(); ++t) {
      tails[t].push_back(1.0 - static_cast<double>(waits.count_at_most(times[t])) /
                                   static_cast<double>(waits.count()));
    }
  }
  const Interval mean = interval_of(means);
  EXPECT_NEAR(mean.mean, theory.mean_wait_s, mean.half) << "mean wait";
  EXPECT_LT(mean.half, 0.25 * theory.mean_wait_s) << "the interval says something";
  for (std::size_t t = 0; t < times.size(); ++t) {
    const Interval tail = interval_of(tails[t]);
    EXPECT_NEAR(tail.mean, theory.waits_longer(to_seconds(times[t])), tail.half)
        << "waits longer than " << to_ms(times[t]) << " ms";
  }
}

// Erlang's C formula: the share that waits, with c servers and a = rate x service.
double erlang_c(int c, double a) {
  double b = 1.0;  // Erlang B by its recursion
  for (int k = 1; k <= c; ++k) b = a * b / (k + a * b);
  return b / (1.0 - a / c * (1.0 - b));
}

Theory markov(int c, double rate, double service_s) {
  const double spare = c / service_s - rate;
  const double waits = erlang_c(c, rate * service_s);
  return {waits / spare, [=](double t) { return waits * std::exp(-spare * t); }};
}

TEST(Theory, MM1) {
  agrees(simple_model("m", 1, 1, 1, Law::exponential(10ms)), 70.0, markov(1, 70.0, 0.010));
}

TEST(Theory, MMcFewServers) {
  agrees(simple_model("m", 5, 1, 1, Law::exponential(10ms)), 400.0, markov(5, 400.0, 0.010));
}

TEST(Theory, MMcManyServers) {
  agrees(simple_model("m", 50, 1, 1, Law::exponential(10ms)), 4700.0, markov(50, 4700.0, 0.010));
}

// Erlang (1909): P(W <= t) = (1 - rho) sum over k of (rate (k D - t))^k / k! e^-(rate (k D - t)).
TEST(Theory, MD1) {
  const double rate = 70.0;
  const double d = 0.010;
  const double rho = rate * d;
  const auto longer = [=](double t) {
    double sum = 0.0;
    for (int k = 0; k * d <= t; ++k) {
      const double x = rate * (k * d - t);
      sum += std::pow(x, k) / std::tgamma(k + 1.0) * std::exp(-x);
    }
    return 1.0 - (1.0 - rho) * sum;
  };
  agrees(simple_model("m", 1, 1, 1, Law::constant(10ms)), rate,
         {rho * d / (2.0 * (1.0 - rho)), longer});
}

// M/G/1 by Pollaczek and Khinchine, with Erlang-2 service: the transform of the wait is
// (1 - rho) (s + b)^2 / ((s - r1)(s - r2)), b = 2 / mean, r the roots of
// s^2 + (2 b - rate) s + b^2 (1 - rho).
TEST(Theory, MG1) {
  const double rate = 70.0;
  const double mean = 0.010;
  const double rho = rate * mean;
  const double b = 2.0 / mean;
  const double middle = -(2.0 * b - rate) / 2.0;
  const double root = std::sqrt(middle * middle - b * b * (1.0 - rho));
  const double r1 = middle + root;
  const double r2 = middle - root;
  const auto weight = [=](double r, double other) {
    return (1.0 - rho) * (r + b) * (r + b) / (r - other) / -r;
  };
  const double w1 = weight(r1, r2);
  const double w2 = weight(r2, r1);
  const double cv2 = 0.5;
  agrees(simple_model("m", 1, 1, 1, Law::gamma(10ms, std::sqrt(cv2))), rate,
         {rho * mean * (1.0 + cv2) / (2.0 * (1.0 - rho)),
          [=](double t) { return w1 * std::exp(r1 * t) + w2 * std::exp(r2 * t); }});
}

// Heavy service times: only the mean has a simple formula.
TEST(Theory, MG1WithHighVariation) {
  const double rate = 50.0;
  const double mean = 0.010;
  const double rho = rate * mean;
  const double wait = rho * mean * (1.0 + 4.0) / (2.0 * (1.0 - rho));
  std::vector<double> means;
  for (int i = 0; i < kRuns; ++i) {
    const double duration_s = kRequests / rate;
    WorldConfig config =
        simple_world(simple_model("m", 1, rate, duration_s, Law::gamma(10ms, 2.0)), duration_s);
    config.warm_up_s = 0.1 * duration_s;
    config.record_waits = true;
    config.run = static_cast<std::uint64_t>(i);
    means.push_back(run(config).models[0].waits.mean_s());
  }
  const Interval interval = interval_of(means);
  EXPECT_NEAR(interval.mean, wait, interval.half);
}

}  // namespace
}  // namespace spate::sim
