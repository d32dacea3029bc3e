// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/limits.h"

#include <gtest/gtest.h>

namespace spate::scaling {
namespace {

constexpr Bounds kBounds{
    .min_replicas = 1, .max_replicas = 3, .min_cpu = 0.3, .max_cpu = 0.9, .cpu_ceiling = 0.9};

TEST(Limits, LeaveWhatFitsAlone) {
  // 3 x 0.3 is a little more than 0.9 in doubles.
  for (const auto& [replicas, cpu] : {std::pair{3, 0.3}, {1, 0.9}, {2, 0.45}, {1, 0.3}}) {
    const Limited out = apply_limits(kBounds, replicas, cpu, 0.3);
    EXPECT_EQ(out.replicas, replicas);
    EXPECT_EQ(out.cpu_limit, cpu);
    EXPECT_EQ(out.clipped_by, "");
  }
}

TEST(Limits, SayWhichBoundChangedIt) {
  EXPECT_EQ(apply_limits(kBounds, 4, 0.3, 0.3).clipped_by, "max_replicas");
  EXPECT_EQ(apply_limits(kBounds, 0, 0.3, 0.3).clipped_by, "min_replicas");
  EXPECT_EQ(apply_limits(kBounds, 1, 1.0, 0.3).clipped_by, "max_cpu");
  EXPECT_EQ(apply_limits(kBounds, 1, 0.1, 0.3).clipped_by, "min_cpu");
  EXPECT_EQ(apply_limits(kBounds, 2, 0.6, 0.3).clipped_by, "cpu_ceiling");
  EXPECT_EQ(apply_limits(kBounds, 9, 9.0, 0.3).clipped_by, "max_replicas+max_cpu+cpu_ceiling");
}

TEST(Limits, UnderTheCeilingGivesWayWhatWasRaised) {
  const Limited vertical = apply_limits(kBounds, 2, 0.6, 0.3);
  EXPECT_EQ(vertical.replicas, 2);
  EXPECT_DOUBLE_EQ(vertical.cpu_limit, 0.45);
  const Limited horizontal = apply_limits(kBounds, 3, 0.45, 0.45);
  EXPECT_EQ(horizontal.replicas, 2);
  EXPECT_DOUBLE_EQ(horizontal.cpu_limit, 0.45);
  // CPU cannot go below its minimum: replicas give way after all.
  Bounds tight = kBounds;
  tight.cpu_ceiling = 0.7;
  const Limited both = apply_limits(tight, 3, 0.4, 0.3);
  EXPECT_EQ(both.replicas, 2);
  EXPECT_DOUBLE_EQ(both.cpu_limit, 0.3);
}

TEST(Limits, TellTheMostThatFits) {
  EXPECT_EQ(most_replicas(kBounds, 0.3), 3);
  EXPECT_EQ(most_replicas(kBounds, 0.31), 2);
  EXPECT_EQ(most_replicas(kBounds, 5.0), 1) << "the minimum wins over the ceiling";
  EXPECT_DOUBLE_EQ(most_cpu(kBounds, 1), 0.9);
  EXPECT_DOUBLE_EQ(most_cpu(kBounds, 3), 0.3);
  EXPECT_DOUBLE_EQ(most_cpu(kBounds, 9), 0.3);
}

}  // namespace
}  // namespace spate::scaling
