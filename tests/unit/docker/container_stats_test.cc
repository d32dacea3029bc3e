// SPDX-License-Identifier: Apache-2.0
//
// Lines of the engine's stream of statistics, of both versions of control groups.
#include "spate/adapters/docker/container_stats.h"

#include <gtest/gtest.h>

namespace spate::adapters {
namespace {

TEST(ParseStats, Version1) {
  const auto usage = parse_stats(R"({"read":"2026-01-01T00:00:00Z","cpu_stats":{"cpu_usage":
    {"total_usage":2500000000},"throttling_data":{"periods":50,"throttled_periods":9,
    "throttled_time":1}},"memory_stats":{"usage":30000000,"stats":{"total_inactive_file":10000000,
    "total_rss":18000000,"inactive_file":1}}})");
  ASSERT_TRUE(usage);
  EXPECT_DOUBLE_EQ(usage->cpu_seconds, 2.5);
  EXPECT_EQ(usage->periods, 50U);
  EXPECT_EQ(usage->throttled_periods, 9U);
  EXPECT_EQ(usage->memory_bytes, 20'000'000U);
  EXPECT_EQ(usage->private_bytes, 18'000'000U);
}

TEST(ParseStats, Version2) {
  const auto usage = parse_stats(R"({"cpu_stats":{"cpu_usage":{"total_usage":1000000}},
    "memory_stats":{"usage":5000,"stats":{"inactive_file":1000,"anon":3000}}})");
  ASSERT_TRUE(usage);
  EXPECT_DOUBLE_EQ(usage->cpu_seconds, 0.001);
  EXPECT_EQ(usage->memory_bytes, 4000U);
  EXPECT_EQ(usage->private_bytes, 3000U);
}

TEST(ParseStats, WhatIsNoReading) {
  EXPECT_FALSE(parse_stats(""));
  EXPECT_FALSE(parse_stats("[]"));
  EXPECT_FALSE(parse_stats(R"({"message":"No such container"})"));
  // What the engine sends for a container that has ended.
  EXPECT_FALSE(parse_stats(R"({"cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{}})"));
  EXPECT_FALSE(parse_stats(R"({"cpu_stats":7,"memory_stats":null})"));
}

}  // namespace
}  // namespace spate::adapters
