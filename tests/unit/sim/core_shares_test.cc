// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/core_shares.h"

#include <gtest/gtest.h>

#include <tuple>

namespace spate::sim {
namespace {

TEST(CoreShares, WithACpuForEachAllAreAtFullSpeed) {
  for (const auto& [loading, others, cpus] :
       {std::tuple{0.0, 0.0, 1.0}, {1.0, 1.0, 2.0}, {0.0, 2.0, 2.0}, {3.0, 5.0, 8.0}}) {
    const CoreShares s = core_shares(loading, others, cpus);
    EXPECT_DOUBLE_EQ(s.loading, 1.0);
    EXPECT_DOUBLE_EQ(s.other, 1.0);
  }
}

TEST(CoreShares, WithoutAStartSharesAreEqual) {
  EXPECT_DOUBLE_EQ(core_shares(0.0, 3.0, 2.0).other, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(core_shares(0.0, 8.0, 2.0).other, 0.25);
  EXPECT_DOUBLE_EQ(core_shares(0.0, 1.0, 0.5).other, 0.5);
}

// Worked by hand: two CPUs, a busy thread on each; the third joins one of them.
TEST(CoreShares, AStartSharesOneCpuWithWhatIsThere) {
  const CoreShares s = core_shares(1.0, 2.0, 2.0);
  EXPECT_DOUBLE_EQ(s.loading, 0.5);
  EXPECT_DOUBLE_EQ(s.other, 0.75) << "a whole CPU and half of one, for two";
}

TEST(CoreShares, WhereThreadsDivideEvenlySharesAreEqual) {
  const CoreShares s = core_shares(1.0, 3.0, 2.0);  // two and two
  EXPECT_DOUBLE_EQ(s.loading, 0.5);
  EXPECT_DOUBLE_EQ(s.other, 0.5);
}

TEST(CoreShares, AllCpusAreUsedAndNoShareIsMoreThanOne) {
  for (int loading = 0; loading <= 6; ++loading) {
    for (int others = 0; others <= 12; ++others) {
      for (const double cpus : {0.5, 1.0, 1.5, 2.0, 3.0, 8.0}) {
        const CoreShares s = core_shares(loading, others, cpus);
        EXPECT_GT(s.loading, 0.0);
        EXPECT_LE(s.loading, 1.0);
        EXPECT_GT(s.other, 0.0);
        EXPECT_LE(s.other, 1.0);
        const double used = loading * s.loading + others * s.other;
        EXPECT_LE(used, cpus + 1e-12);
        if (others > 0 && loading + others > cpus && s.other < 1.0) {
          EXPECT_NEAR(used, cpus, 1e-12) << loading << " " << others << " " << cpus;
        }
      }
    }
  }
}

}  // namespace
}  // namespace spate::sim
