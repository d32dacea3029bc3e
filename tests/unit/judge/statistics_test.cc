// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "spate/base/rng.h"

namespace spate::judge {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(Normal, QuantilesOfTheTables) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-10);
  EXPECT_NEAR(normal_quantile(0.5), 0.0, 1e-12);
  EXPECT_NEAR(normal_quantile(0.8), 0.8416212335729143, 1e-10);
  EXPECT_NEAR(normal_quantile(1e-6), -4.753424308822899, 1e-8);
}

TEST(Bootstrap, CoversTheTrueMeanAboutAsOftenAsItSays) {
  // Skewed data (exponential, mean 1), 25 values a time. The bootstrap is known to cover a little
  // less than it says there; 300 trials tell 0.93 from 0.85.
  int covered = 0;
  for (std::uint64_t trial = 0; trial < 300; ++trial) {
    Rng rng(trial, "data");
    std::vector<double> values(25);
    for (double& v : values) v = rng.exponential();
    BootstrapOptions options;
    options.resamples = 500;
    options.seed = trial;
    const auto interval = bootstrap_mean(values, options);
    EXPECT_LE(interval.low, interval.mean);
    EXPECT_GE(interval.high, interval.mean);
    covered += interval.low <= 1.0 && interval.high >= 1.0 ? 1 : 0;
  }
  EXPECT_GE(covered, 264);  // 88 %
  EXPECT_LE(covered, 294);  // 98 %
}

TEST(Bootstrap, LeansWithTheSkewAndIsDeterministic) {
  const std::vector<double> skewed{1, 1, 1, 1, 1, 1, 1, 1, 1, 21};
  const auto a = bootstrap_mean(skewed);
  const auto b = bootstrap_mean(skewed);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  EXPECT_DOUBLE_EQ(a.mean, 3.0);
  EXPECT_GT(a.high - a.mean, a.mean - a.low);
  const auto one = bootstrap_mean({7.0});
  EXPECT_EQ(one.low, 7.0);
  EXPECT_EQ(one.high, 7.0);
  EXPECT_EQ(bootstrap_mean({2, 2, 2, 2}).high, 2.0);
}

TEST(Permutation, ExactOverAllSigns) {
  // All five the same way: only all + and all - are as extreme, 2 of 32.
  EXPECT_DOUBLE_EQ(paired_permutation_p({1, 2, 3, 4, 5}), 2.0 / 32.0);
  EXPECT_DOUBLE_EQ(smallest_permutation_p(5), 2.0 / 32.0);
  // Sums of +-1+-3 are 2 and 4 and their mirrors: all are at least 2.
  EXPECT_DOUBLE_EQ(paired_permutation_p({-1, 3}), 1.0);
  // Sums of +-1+-2+-4 are all of -7..7 odd; 5 and 7 and their mirrors are at least 5: 4 of 8.
  EXPECT_DOUBLE_EQ(paired_permutation_p({-1, 2, 4}), 0.5);
  EXPECT_DOUBLE_EQ(paired_permutation_p({0, 0, 0}), 1.0);
  EXPECT_DOUBLE_EQ(paired_permutation_p({}), 1.0);
}

TEST(Permutation, DrawnForManyPairs) {
  std::vector<double> same_way(40, 1.0);
  EXPECT_LT(paired_permutation_p(same_way), 0.001);
  std::vector<double> both_ways;
  for (int i = 0; i < 40; ++i) both_ways.push_back(i % 2 == 0 ? 1.0 : -1.0);
  EXPECT_GT(paired_permutation_p(both_ways), 0.9);
  EXPECT_EQ(paired_permutation_p(both_ways, 3), paired_permutation_p(both_ways, 3));
}

TEST(Permutation, FalseAlarmsAreAsRareAsTheySay) {
  int alarms = 0;
  for (std::uint64_t trial = 0; trial < 400; ++trial) {
    Rng rng(trial, "null");
    std::vector<double> differences(8);
    for (double& d : differences) d = rng.normal();
    alarms += paired_permutation_p(differences) <= 0.05 ? 1 : 0;
  }
  EXPECT_LE(alarms, 35);  // 20 expected; 35 is 3.4 standard deviations above
  EXPECT_GE(alarms, 5);
}

TEST(Holm, WorkedByHand) {
  EXPECT_THAT(holm({0.01, 0.04, 0.03}),
              ElementsAre(DoubleEq(0.03), DoubleEq(0.06), DoubleEq(0.06)));
  EXPECT_THAT(holm({0.5, 0.9}), ElementsAre(DoubleEq(1.0), DoubleEq(1.0)));
  EXPECT_THAT(holm({}), IsEmpty());
}

TEST(PairsNeeded, NormalApproximation) {
  // Variance 1: ((1.96 + 0.8416) / 0.5)^2 = 31.4.
  const double s = std::sqrt(0.5);
  EXPECT_EQ(pairs_needed({-s, s}, 0.5, 1), 32U);
  // One of three, at 5 % / 3: ((2.394 + 0.8416) / 0.5)^2 = 41.9.
  EXPECT_EQ(pairs_needed({-s, s}, 0.5, 3), 42U);
  EXPECT_FALSE(pairs_needed({1.0}, 0.5, 1).has_value());
  EXPECT_FALSE(pairs_needed({1.0, 2.0}, 0.0, 1).has_value());
}

// However clear a difference is, the test's smallest p must be able to show it.
TEST(PairsNeeded, NeverFewerThanThePermutationTestResolves) {
  const std::vector<double> clear{9.9, 10.0, 10.1, 10.0, 10.0};
  EXPECT_EQ(pairs_needed(clear, 10.0, 1), 6U) << "2 / 2^5 is above 0.05";
  EXPECT_GT(paired_permutation_p(clear), 0.05);
  EXPECT_EQ(pairs_needed(clear, 10.0, 3), 7U) << "3 * 2 / 2^6 is above 0.05";
  EXPECT_EQ(pairs_needed(clear, 10.0, 10), 9U);
  for (const std::size_t comparisons : {std::size_t{1}, std::size_t{3}, std::size_t{10}}) {
    const std::size_t n = *pairs_needed(clear, 10.0, comparisons);
    const std::vector<double> p(comparisons, paired_permutation_p(std::vector<double>(n, 10.0)));
    EXPECT_LE(holm(p).front(), 0.05) << comparisons;
  }
}

TEST(PairsToResolve, EndsWhereDrawnSignsDo) {
  EXPECT_EQ(pairs_to_resolve(1), 6U);
  EXPECT_EQ(pairs_to_resolve(1, 0.01), 8U);
  EXPECT_DOUBLE_EQ(smallest_permutation_p(17), 1.0 / 10001.0);
  EXPECT_DOUBLE_EQ(paired_permutation_p(std::vector<double>(64, 1.0)), smallest_permutation_p(64));
  // 600 comparisons need a p of 1 / 12000: all signs of 16 pairs have it, 10 000 draws have not.
  EXPECT_EQ(pairs_to_resolve(600), 15U);
  EXPECT_FALSE(pairs_needed({-2.0, 3.0}, 0.5, 600).has_value());
  EXPECT_FALSE(pairs_to_resolve(3000).has_value());
  EXPECT_FALSE(pairs_needed({9.9, 10.0}, 10.0, 3000).has_value());
}

TEST(RunsNeeded, NormalApproximation) {
  // Variance 2: (1.96 / 0.5)^2 * 2 = 30.7.
  EXPECT_EQ(runs_needed({9.0, 11.0}, 0.5), 31U);
  EXPECT_EQ(runs_needed({10.0, 10.0, 10.0}, 0.5), 2U) << "no spread seen; two are the least";
  EXPECT_FALSE(runs_needed({10.0}, 0.5).has_value());
}

std::vector<double> noisy(double mean, std::uint64_t stream, std::size_t n) {
  Rng block(1, "block");
  Rng own(stream, "own");
  std::vector<double> out;
  // Blocks differ much, contenders little: only pairing can tell them apart.
  for (std::size_t i = 0; i < n; ++i) out.push_back(mean + 5 * block.normal() + 0.1 * own.normal());
  return out;
}

TEST(Rank, TellsWhatPairsTellAndSaysTiedElsewhere) {
  const auto ranking = rank({{"dear", noisy(12.0, 1, 20)},
                             {"cheap", noisy(10.0, 2, 20)},
                             {"cheap too", noisy(10.0, 3, 20)}},
                            true);
  ASSERT_EQ(ranking.order.size(), 3U);
  EXPECT_EQ(ranking.order[2].name, "dear");
  EXPECT_EQ(ranking.order[2].rank, 3);
  EXPECT_THAT(ranking.order[2].tied, IsEmpty());
  EXPECT_EQ(ranking.order[0].rank, 1);
  EXPECT_EQ(ranking.order[1].rank, 1);
  EXPECT_THAT(ranking.order[0].tied, ElementsAre(ranking.order[1].name));
  EXPECT_FALSE(ranking.too_few);
  EXPECT_LT(ranking.p[0][1], 0.05);
  EXPECT_GT(ranking.p[0][0], 0.05);

  const auto best_high = rank({{"a", {1, 1, 1, 1, 1, 1, 1}}, {"b", {2, 2, 2, 2, 2, 2, 2}}}, false);
  EXPECT_EQ(best_high.order[0].name, "b");
  EXPECT_EQ(best_high.order[1].rank, 2);
}

TEST(Rank, ThreeBlocksCannotTell) {
  const auto ranking = rank({{"a", {1, 1, 1}}, {"b", {9, 9, 9}}}, true);
  EXPECT_TRUE(ranking.too_few);
  EXPECT_EQ(ranking.order[1].rank, 1);
  EXPECT_THAT(ranking.order[1].tied, UnorderedElementsAre("a"));
}

}  // namespace
}  // namespace spate::judge
