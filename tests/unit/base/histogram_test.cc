// SPDX-License-Identifier: Apache-2.0
#include "spate/base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "spate/base/config_error.h"
#include "spate/base/rng.h"

namespace spate {
namespace {

TEST(Histogram, IsEmptyAtFirst) {
  const Histogram h;
  EXPECT_EQ(h.count(), 0U);
  EXPECT_EQ(h.quantile(0.99), Duration{0});
  EXPECT_EQ(h.min(), Duration{0});
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram h;
  for (int i = 1; i <= 100; ++i) h.record(Duration{i});
  EXPECT_EQ(h.quantile(0.5), Duration{50});
  EXPECT_EQ(h.quantile(0.99), Duration{99});
  EXPECT_EQ(h.quantile(1.0), Duration{100});
  EXPECT_EQ(h.quantile(0.0), Duration{1});
  EXPECT_DOUBLE_EQ(h.mean_s(), 50.5e-9);
}

TEST(Histogram, QuantilesStayWithinOnePartIn128OfTheSortedValues) {
  Rng rng(7, "histogram");
  Histogram h;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 20000; ++i) {
    const auto v = static_cast<std::int64_t>(rng.exponential() * rng.exponential() * 1e8);
    values.push_back(v);
    h.record(Duration{v});
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999}) {
    const auto exact = values[static_cast<std::size_t>(q * 20000.0) - 1];
    const auto got = h.quantile(q).count();
    EXPECT_GE(got, exact) << q;
    EXPECT_LE(static_cast<double>(got), static_cast<double>(exact) * (1.0 + 1.0 / 128.0) + 1.0)
        << q;
  }
}

TEST(Histogram, EdgesOfPowersOfTwo) {
  for (const std::int64_t v : {127, 128, 255, 256, 257, 65535, 65536}) {
    Histogram h;
    h.record(Duration{v});
    EXPECT_EQ(h.quantile(0.5), Duration{v}) << "never above the largest recorded value";
    EXPECT_EQ(h.count_at_most(Duration{v}), 1U);
    EXPECT_EQ(h.count_at_most(Duration{v / 2}), 0U);
  }
}

TEST(Histogram, MergesAndSurvivesJson) {
  Histogram a;
  Histogram b;
  a.record(std::chrono::milliseconds(3), 5);
  b.record(std::chrono::seconds(2));
  b.record(std::chrono::hours(5));  // above the range
  b.record(Duration{-5});           // counts as 0
  a.merge(b);
  EXPECT_EQ(a.count(), 8U);
  EXPECT_EQ(a.overflow(), 1U);
  const auto back = Histogram::from_json(a.to_json());
  EXPECT_EQ(back.to_json(), a.to_json());
  EXPECT_EQ(back.quantile(0.5), a.quantile(0.5));
  EXPECT_THROW(Histogram::from_json({{"count", 1}}), ConfigError);
  EXPECT_THROW(
      Histogram::from_json(nlohmann::json::parse(
          R"({"count":1,"overflow":0,"min_ns":1,"max_ns":1,"sum_ns":1,"buckets":[[99999999,1]]})")),
      ConfigError);
}

TEST(Histogram, SinceHoldsWhatWasAdded) {
  Histogram all;
  all.record(std::chrono::milliseconds(1), 5);
  const Histogram before = all;
  EXPECT_EQ(all.since(before).count(), 0U);
  all.record(std::chrono::milliseconds(100), 3);
  all.record(std::chrono::milliseconds(1), 1);
  const Histogram added = all.since(before);
  EXPECT_EQ(added.count(), 4U);
  EXPECT_EQ(added.count_at_most(std::chrono::milliseconds(50)), 1U);
  EXPECT_NEAR(to_ms(added.quantile(0.99)), 100.0, 1.0);
  EXPECT_NEAR(added.mean_s(), 0.07525, 1e-9);
  EXPECT_EQ(before.since(all).count(), 0U);
}

}  // namespace
}  // namespace spate
