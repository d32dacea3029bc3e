// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Money, KeepsThreeDigitsReadable) {
  EXPECT_EQ(money(0.0, "USD"), "0 USD");
  EXPECT_EQ(money(0.000123, "USD"), "123 µUSD");
  EXPECT_EQ(money(0.01234, "USD"), "12.3 mUSD");
  EXPECT_EQ(money(12.5, "EUR"), "12.5 EUR");
}

Comparison one_strategy() {
  ModelResult m;
  m.model = "resnet50";
  m.slo_target = 0.95;
  m.asked = m.sent = 200;
  m.answered = 190;
  m.in_time = 196;
  m.slo_attainment = 0.98;
  m.rejected = {{"overloaded", 3}};
  m.expired = 1;
  m.p50_ms = 120.0;
  m.p99_ms = 1250.0;
  m.mean_replicas = 2;
  m.mean_cpu_limit = 0.3;
  m.cost.total = 0.002;
  RunResult r;
  r.strategy = "horizontal";
  r.models = {m};
  r.cost = 0.002;
  return compare_runs({r}, {"horizontal", "absent"});
}

TEST(Table, ShowsEveryModelTheWinnerAndTheVerdict) {
  const std::string table = comparison_table(one_strategy(), {});
  EXPECT_THAT(table, HasSubstr("* horizontal"));
  EXPECT_THAT(table, HasSubstr("98.00 %"));
  EXPECT_THAT(table, HasSubstr("1.25 s"));
  EXPECT_THAT(table, HasSubstr("0.60"));
  EXPECT_THAT(table, HasSubstr("2 mUSD"));
  EXPECT_THAT(table, HasSubstr("not run"));
  EXPECT_THAT(table, HasSubstr("only strategy"));
  EXPECT_THAT(table, Not(HasSubstr("\x1b"))) << "no colours unless asked for";
}

TEST(Table, ColoursWhenAskedFor) {
  EXPECT_THAT(comparison_table(one_strategy(), {true, "USD"}), HasSubstr("\x1b[32m"));
}

}  // namespace
}  // namespace spate::lab
