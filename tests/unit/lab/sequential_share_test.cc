// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/sequential_share.h"

#include <gtest/gtest.h>

#include "spate/base/rng.h"

namespace spate::lab {
namespace {

TEST(IncompleteBeta, HasItsClosedForms) {
  EXPECT_NEAR(incomplete_beta(1.0, 1.0, 0.3), 0.3, 1e-12);
  EXPECT_NEAR(incomplete_beta(1.0, 4.0, 0.3), 1.0 - 0.7 * 0.7 * 0.7 * 0.7, 1e-12);
  EXPECT_NEAR(incomplete_beta(3.0, 1.0, 0.9), 0.9 * 0.9 * 0.9, 1e-12);
  EXPECT_NEAR(incomplete_beta(2.5, 2.5, 0.5), 0.5, 1e-12) << "symmetric";
}

TEST(Quantiles, AreThoseOfTheTables) {
  EXPECT_NEAR(student_quantile(0.975, 9.0), 2.262157, 1e-5);
  EXPECT_NEAR(student_quantile(0.95, 19.0), 1.729133, 1e-5);
  EXPECT_NEAR(student_quantile(0.05, 19.0), -1.729133, 1e-5);
  EXPECT_NEAR(student_quantile(0.975, 1e6), 1.959966, 1e-4);
  // All of 59 in time: the lower 95 % bound of the share is 0.05^(1/59).
  EXPECT_NEAR(beta_quantile(0.05, 59.0, 1.0), 0.950496, 1e-5);
}

struct Rates {
  int above = 0;
  int below = 0;
  int undecided = 0;
  double mean_batches = 0.0;
};

// `streams` of up to `batches` batches of 20 requests, each in time with probability `p`.
Rates independent(double p, int streams, int batches, ShareOptions options = {}) {
  Rates out;
  for (int s = 0; s < streams; ++s) {
    Rng rng(static_cast<std::uint64_t>(s), "stream");
    SequentialShare share(options);
    for (int b = 0; b < batches && share.verdict() == ShareVerdict::Undecided; ++b) {
      int good = 0;
      for (int i = 0; i < 20; ++i) good += rng.uniform() < p ? 1 : 0;
      share.add(20.0, good);
    }
    out.above += share.verdict() == ShareVerdict::Above ? 1 : 0;
    out.below += share.verdict() == ShareVerdict::Below ? 1 : 0;
    out.undecided += share.verdict() == ShareVerdict::Undecided ? 1 : 0;
    out.mean_batches += static_cast<double>(share.batches()) / streams;
  }
  return out;
}

// The chance of a wrong verdict is largest where the true share is the target itself. 2000 streams
// at 5 %: 100 expected at most, and 129 are three standard deviations above it.
TEST(SequentialShare, ErrsNoMoreOftenThanStated) {
  const Rates at_target = independent(0.95, 2000, 300);
  EXPECT_LE(at_target.above, 129);
  EXPECT_LE(at_target.below, 129);
  EXPECT_GT(at_target.undecided, 1500) << "nothing can be said there";
  ShareOptions strict;
  strict.confidence = 0.99;
  const Rates stricter = independent(0.95, 2000, 300, strict);
  EXPECT_LE(stricter.above, 34) << "20 expected at most";
  EXPECT_LE(stricter.below, 34);
}

TEST(SequentialShare, IsHardlyEverWrongAwayFromTheTarget) {
  EXPECT_EQ(independent(0.97, 500, 300).below, 0);
  EXPECT_EQ(independent(0.92, 500, 300).above, 0);
}

TEST(SequentialShare, StopsEarlyWhereTheAnswerIsPlain) {
  const Rates good = independent(1.0, 100, 300);
  EXPECT_EQ(good.above, 100);
  EXPECT_NEAR(good.mean_batches, 72.0, 1e-9) << "as soon as batches without trouble suffice";
  const Rates bad = independent(0.5, 100, 300);
  EXPECT_EQ(bad.below, 100);
  EXPECT_LE(bad.mean_batches, 10.0);
  const Rates near = independent(0.97, 200, 2000);
  EXPECT_GT(near.above, 190);
  EXPECT_GT(near.mean_batches, 72.0) << "closer to the target takes longer";
}

// Trouble comes in stretches: in a tenth of the batches half of the requests are late. The mean
// share is the target; requests taken one by one would make a verdict of most of these streams.
TEST(SequentialShare, KnowsThatRequestsOfOneStretchGoTogether) {
  int above = 0;
  int below = 0;
  double effect = 0.0;
  constexpr int kStreams = 1000;
  for (int s = 0; s < kStreams; ++s) {
    Rng rng(static_cast<std::uint64_t>(s), "stretches");
    SequentialShare share({});
    for (int b = 0; b < 300 && share.verdict() == ShareVerdict::Undecided; ++b) {
      const bool trouble = rng.uniform() < 0.1;
      int good = 0;
      for (int i = 0; i < 20; ++i) good += rng.uniform() < (trouble ? 0.5 : 1.0) ? 1 : 0;
      share.add(20.0, good);
    }
    effect += share.design_effect() / kStreams;
    above += share.verdict() == ShareVerdict::Above ? 1 : 0;
    below += share.verdict() == ShareVerdict::Below ? 1 : 0;
  }
  EXPECT_GT(effect, 3.0);
  // So lopsided a variance is underestimated now and then: up to twice the stated 5 %.
  EXPECT_LE(above, 100);
  EXPECT_LE(below, 100);
}

TEST(SequentialShare, BatchesWithoutRequestsAreLeftOut) {
  SequentialShare share({});
  for (int i = 0; i < 50; ++i) EXPECT_EQ(share.add(0.0, 0.0), ShareVerdict::Undecided);
  EXPECT_EQ(share.batches(), 0U);
  EXPECT_EQ(share.low(), 0.0);
  EXPECT_EQ(share.high(), 1.0);
}

}  // namespace
}  // namespace spate::lab
