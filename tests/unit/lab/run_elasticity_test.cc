// SPDX-License-Identifier: Apache-2.0
//
// The run of tests/data/runs/small, worked by hand: one replica, a second one ready from 10 s on
// (as the series says), told to drain at 19 s.
#include "spate/lab/run_elasticity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/lab/results.h"

namespace spate::lab {
namespace {

RunFiles small(bool with_capacity) {
  auto files = read_run(std::filesystem::path(SPATE_SOURCE_DIR) / "tests/data/runs/small/none-1");
  EXPECT_TRUE(files.has_value());
  if (with_capacity) {
    auto& demand = files->scenario["models"]["m"]["demand"];
    demand["capacity"] = {{"per_s", 6.0}};
    demand["profile"] = {
        {"kind", "steps"},
        {"steps", {{{"for_s", 5}, {"rate_per_s", 5.0}}, {{"for_s", 25}, {"rate_per_s", 10.0}}}}};
  }
  return std::move(files).value();
}

TEST(RunElasticity, WithoutTheCapacityItSaysSo) {
  const auto e = judge_run(small(false)).models.at(0).elasticity;
  EXPECT_FALSE(e.spec.has_value());
  EXPECT_THAT(elasticity_json(e)["without"].get<std::string>(), testing::HasSubstr("capacity"));
  ASSERT_TRUE(e.worst_minute.has_value());
  EXPECT_DOUBLE_EQ(e.worst_minute->ratio,
                   209.0 / 275.0);  // by the series; all of it, as it is shorter
  EXPECT_EQ(e.oscillations, 1U);    // up at 9.8 s, down at 19 s
  EXPECT_EQ(e.wasted_starts, 0U);
}

TEST(RunElasticity, DemandByTheProfileSupplyByTheSeries) {
  const auto files = small(true);
  const auto e = judge_run(files).models.at(0).elasticity;
  ASSERT_TRUE(e.spec.has_value()) << e.without;
  // 5 of 6 for 5 s; then 10 against 6 until the second replica, against 12 while it is there.
  double two = 0.0;  // seconds with two ready, by the series
  for (const auto& s : files.gateway.at("m")) {
    if (s.unix_s >= files.measured_from && s.unix_s < files.measured_until && s.ready == 2.0) ++two;
  }
  ASSERT_GT(two, 0.0);
  EXPECT_NEAR(e.spec->tau_u_percent, 100.0 * (25.0 - two) / 30.0, 1e-9);
  EXPECT_NEAR(e.spec->theta_u_percent, 100.0 * (25.0 - two) * 0.4 / 30.0, 1e-9);
  EXPECT_NEAR(e.spec->theta_o_percent, 100.0 * (5.0 * (1.0 / 6.0) + two * 0.2) / 30.0, 1e-9);
  EXPECT_DOUBLE_EQ(e.spec->tau_o_percent, 0.0);  // never a whole replica too much
  EXPECT_NEAR(e.spec->mean_demand, 275.0 / 30.0, 1e-9);
  EXPECT_FALSE(e.supply_recovered);  // short again from 20 s on
  EXPECT_TRUE(
      results_json(judge_run(files))["models"]["m"]["elasticity"]["supply_recovery_s"].is_null());
}

TEST(RunElasticity, AVerticalLimitScalesSupply) {
  auto files = small(true);
  for (auto& s : files.gateway.at("m")) {
    s.ready = 1.0;
    s.cpu_limit = 0.6;  // twice the limit the capacity was measured with
  }
  const auto e = judge_run(files).models.at(0).elasticity;
  EXPECT_DOUBLE_EQ(e.spec->mean_supply, 12.0);
  EXPECT_DOUBLE_EQ(e.spec->tau_u_percent, 0.0);
  EXPECT_DOUBLE_EQ(*e.supply_recovery_s, 0.0);
}

}  // namespace
}  // namespace spate::lab
