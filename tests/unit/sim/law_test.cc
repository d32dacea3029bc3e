// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/law.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "spate/base/config_error.h"
#include "spate/sim/world_config.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

struct Moments {
  double mean = 0.0;
  double cv = 0.0;
};
Moments moments(const Law& law) {
  Rng rng(1);
  double sum = 0.0;
  double squares = 0.0;
  constexpr int kDraws = 200'000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = law.sample_ns(rng);
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  return {mean, std::sqrt(squares / kDraws - mean * mean) / mean};
}

TEST(Law, TheoreticalLawsHaveTheirMoments) {
  EXPECT_DOUBLE_EQ(moments(Law::constant(5ms)).mean, 5e6);
  const auto exponential = moments(Law::exponential(5ms));
  EXPECT_NEAR(exponential.mean, 5e6, 0.01 * 5e6);
  EXPECT_NEAR(exponential.cv, 1.0, 0.01);
  const auto gamma = moments(Law::gamma(5ms, 2.0));
  EXPECT_NEAR(gamma.mean, 5e6, 0.02 * 5e6);
  EXPECT_NEAR(gamma.cv, 2.0, 0.05);
}

TEST(Law, AMeasuredLawHasItsValuesMean) {
  Rng rng(2);
  std::vector<Duration> values;
  double sum = 0.0;
  for (int i = 0; i < 300; ++i) {
    values.push_back(from_ms(10.0 + 5.0 * rng.exponential()));
    sum += to_ms(values.back());
  }
  const Law law = Law::measured(values);
  EXPECT_NEAR(law.mean_ns(), sum / 300.0 * 1e6, 0.01 * sum / 300.0 * 1e6);
  EXPECT_NEAR(moments(law).mean, law.mean_ns(), 0.01 * law.mean_ns());
  std::sort(values.begin(), values.end());
  EXPECT_NEAR(law.quantile_ns(0.5), static_cast<double>(values[150].count()), 0.2e6);
}

// Two modes stay two modes: no law of means and deviations could say so.
TEST(Law, KeepsTwoModes) {
  std::vector<Duration> values(80, 16ms);
  values.insert(values.end(), 20, 68ms);
  const Law law = Law::measured(values);
  Rng rng(3);
  int low = 0;
  int high = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double x = law.sample_ns(rng);
    low += x < 20e6 ? 1 : 0;
    high += x > 60e6 ? 1 : 0;
  }
  EXPECT_NEAR(low, 8000, 200);
  EXPECT_NEAR(high, 2000, 200);
}

TEST(Law, IsWrittenAndReadBack) {
  const Law law = Law::measured({1ms, 2ms, 3ms, 10ms});
  const Law back = Law::read(ConfigReader::from_text(law.to_json_text(), "law"));
  EXPECT_NEAR(back.mean_ns(), law.mean_ns(), 0.01 * law.mean_ns());
  EXPECT_NEAR(back.quantile_ns(0.9), law.quantile_ns(0.9), 1.0);
  EXPECT_THROW(Law::read(ConfigReader::from_text(R"({"mean_ms":1,"quantiles_ms":[3,1]})", "law")),
               ConfigError);
}

TEST(ServiceLaws, SizesBetweenTheMeasuredOnesLieOnALine) {
  ServiceLaws laws;
  laws.entries.push_back({1, Law::constant(10ms)});
  laws.entries.push_back({4, Law::constant(25ms)});
  EXPECT_DOUBLE_EQ(laws.mean_ns(1), 10e6);
  EXPECT_DOUBLE_EQ(laws.mean_ns(2), 15e6);
  EXPECT_DOUBLE_EQ(laws.mean_ns(4), 25e6);
  EXPECT_DOUBLE_EQ(laws.mean_ns(8), 50e6);
  const auto draw = laws.of(3);
  EXPECT_EQ(draw.law, &laws.entries[1].law);
  EXPECT_DOUBLE_EQ(draw.law->mean_ns() * draw.scale, 20e6);
}

}  // namespace
}  // namespace spate::sim
