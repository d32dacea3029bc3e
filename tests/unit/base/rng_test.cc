// SPDX-License-Identifier: Apache-2.0
#include "spate/base/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace spate {
namespace {

TEST(Rng, EqualSeedsGiveEqualNumbersForGood) {
  Rng a(1, "arrivals");
  Rng b(1, "arrivals");
  Rng other_stream(1, "payload");
  Rng other_run(1, "arrivals", 1);
  const auto first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, other_stream.next());
  EXPECT_NE(first, other_run.next());
  // A change here changes every schedule ever made: it belongs under "Numbers may change".
  EXPECT_EQ(first, 7847785157697811454ULL);
}

void expect_moments(const char* name, double mean, double variance,
                    const std::function<double()>& draw) {
  constexpr int kDraws = 200000;
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  const double m = sum / kDraws;
  const double v = squares / kDraws - m * m;
  // Five standard errors of the mean; the seed is fixed, so this never flickers.
  EXPECT_NEAR(m, mean, 5.0 * std::sqrt(variance / kDraws)) << name;
  EXPECT_NEAR(v, variance, 0.05 * variance + 1e-9) << name;
}

TEST(Rng, SamplersHaveTheirMeansAndVariances) {
  Rng rng(42);
  expect_moments("uniform", 0.5, 1.0 / 12.0, [&] { return rng.uniform(); });
  expect_moments("exponential", 1.0, 1.0, [&] { return rng.exponential(); });
  expect_moments("normal", 0.0, 1.0, [&] { return rng.normal(); });
  for (const double shape : {0.0625, 0.5, 1.0, 4.0, 50.0}) {
    expect_moments("gamma", shape, shape, [&] { return rng.gamma(shape); });
  }
  for (const double mean : {0.3, 5.0, 29.9, 30.1, 200.0, 1e5}) {
    expect_moments("poisson", mean, mean, [&] { return static_cast<double>(rng.poisson(mean)); });
  }
  EXPECT_EQ(rng.poisson(0.0), 0U);
}

TEST(Rng, BelowStaysBelowAndReachesEveryValue) {
  Rng rng(3);
  int counts[7] = {};
  for (int i = 0; i < 7000; ++i) ++counts[rng.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 200);
}

}  // namespace
}  // namespace spate
