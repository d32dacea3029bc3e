// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/suite/league.h"
#include "spate/suite/run_suite.h"
#include "spate/suite/week.h"
#include "testing/test_folder.h"

namespace spate::suite {
namespace {

using testing::HasSubstr;

const char* const kSmall = R"(
name: small
seeds: [1, 2]
warm_up_s: 5
model_defaults:
  service: {cpu_ms: 50}
  start: {spawn_ms: 100, load_cpu_ms: 500, cv: 0}
  slo: {latency_ms: 300, target: 0.9}
  replicas: 1
  bounds: {min_replicas: 1, max_replicas: 3, min_cpu: 1.0, max_cpu: 2.0, cpu_ceiling: 3.0}
strategies:
  none: {}
  eager: {kind: horizontal, options: {high_ratio: 0.6}}
demands:
  calm: {duration_s: 60, models: {m: {profile: {kind: constant, rate: 0.5}}}}
  rush:
    duration_s: 120
    models: {m: {profile: {kind: steps, steps: [{for_s: 40, rate: 0.5}, {for_s: 80, rate: 1.8}]}}}
)";

class SuiteFile : public testing::Test {
 protected:
  Suite read(const std::string& text) {
    const auto file = folder_.write("small.yaml", text);
    return read_suite(file, registry_);
  }
  std::string error(std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    try {
      read(text);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "no error";
  }
  RunOptions options() {
    RunOptions out;
    out.out = folder_ / "out";
    out.version = "test";
    return out;
  }
  test::TestFolder folder_;
  scaling::StrategyRegistry registry_ = scaling::builtin_strategies();
};

TEST_F(SuiteFile, IsReadWithCapacityMeasured) {
  const Suite suite = read(kSmall);
  ASSERT_EQ(suite.demands.size(), 2U);
  EXPECT_EQ(suite.strategies[1].kind, "horizontal");
  const auto& m = suite.demands[0].models.at(0);
  // 50 ms each at one CPU: 20/s, and as the objective lets 10 % be refused at once, 20 / 0.9 at the
  // very most; M/D/1 within 300 ms for 90 % is well above half.
  EXPECT_LT(m.capacity_per_s, 20.0 / 0.9);
  EXPECT_GT(m.capacity_per_s, 12.0);
  EXPECT_NEAR(m.sim.profile->rate(1.0), 0.5 * m.capacity_per_s, 1e-9);
  EXPECT_EQ(m.capacity_per_s, suite.demands[1].models.at(0).capacity_per_s);
}

TEST_F(SuiteFile, BadOnesAreToldApart) {
  EXPECT_THAT(error(kSmall, "high_ratio: 0.6", "hihg_ratio: 0.6"), HasSubstr("high_ratio"));
  EXPECT_THAT(error(kSmall, "kind: horizontal", "kind: horizontl"), HasSubstr("horizontal"));
  EXPECT_THAT(error(kSmall, "seeds: [1, 2]", "seeds: []"), HasSubstr("at least one seed"));
  EXPECT_THAT(error(kSmall, "cpu_ms: 50", "cpu_ms: 400"),
              HasSubstr("no answer can come in time: a request takes 400 ms of CPU"));
  EXPECT_THAT(error(kSmall, "replicas: 1\n", "replicas: 7\n"), HasSubstr("outside 1 to 3"));
  EXPECT_THAT(error(kSmall, "duration_s: 60", "duration: 60"), HasSubstr("duration_s"));
}

TEST_F(SuiteFile, RunsCellsAndGoesOnWhereItStopped) {
  const Suite suite = read(kSmall);
  RunOptions first = options();
  first.threads = 2;
  std::atomic<int> asked{0};
  first.stop = [&] { return ++asked > 3; };
  const auto stopped = run_suite(suite, registry_, first);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_THAT(stopped.error().message, HasSubstr("of 8 cells"));

  RunOptions second = options();
  std::size_t kept = 0;
  second.progress = [&](const Cell&, std::size_t, std::size_t, bool was_kept) {
    kept += was_kept ? 1 : 0;
  };
  const auto all = run_suite(suite, registry_, second).value();
  EXPECT_EQ(kept, 3U);
  ASSERT_EQ(all.size(), 8U);

  kept = 0;
  const auto again = run_suite(suite, registry_, second).value();
  EXPECT_EQ(kept, 8U);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(to_json(all[i]), to_json(again[i]));

  // Another version, another price: nothing of it holds.
  kept = 0;
  second.version = "other";
  (void)run_suite(suite, registry_, second).value();
  EXPECT_EQ(kept, 0U);
}

TEST_F(SuiteFile, FaultsOfADemandHappen) {
  std::string text = kSmall;
  const std::string calm = "calm: {duration_s: 60, ";
  text.replace(text.find(calm), calm.size(),
               calm + "faults: [{kind: slow_machine, at_s: 20, for_s: 30, speed_ratio: 0.2}], ");
  const Suite plain = read(kSmall);
  const Suite slowed = read(text);
  ASSERT_EQ(slowed.demands[0].faults.size(), 1U);
  EXPECT_EQ(slowed.demands[0].settings["faults"][0]["kind"], "slow_machine");
  const auto cell = [&](const Suite& suite) {
    return run_cell(suite, suite.demands[0], suite.strategies[0], 1, registry_);
  };
  EXPECT_GT(cell(plain).models[0].attainment, 0.9);
  EXPECT_LT(cell(slowed).models[0].attainment, 0.7) << "half the window at a fifth of the speed";
  const auto key = [&](const Suite& suite, std::size_t demand) {
    return cell_key(suite, suite.demands[demand], suite.strategies[0], 1, "v");
  };
  EXPECT_NE(key(plain, 0), key(slowed, 0)) << "a cell without the fault must not be taken for one";
  EXPECT_EQ(key(plain, 1), key(slowed, 1)) << "other demands' cells are";

  EXPECT_THAT(error(text, "at_s: 20", "at_s: 61"), HasSubstr("faults[0].at_s"));
  EXPECT_THAT(error(text, "speed_ratio: 0.2", "model: m"), HasSubstr("model"));
  EXPECT_THAT(error(text, "kind: slow_machine, at_s: 20, for_s: 30, speed_ratio: 0.2",
                    "kind: crash, at_s: 20, model: other"),
              HasSubstr("a model of this scenario or demand"));
}

TEST_F(SuiteFile, BaselinesSeeTheScheduleOfEachDemand) {
  std::string text = kSmall;
  text.replace(text.find("  none: {}"), 10, "  none: {}\n  oracle_boot: {}\n  static_peak: {}");
  Suite suite = read(text);
  suite.strategies.pop_back();  // eager
  suite.demands.erase(suite.demands.begin());
  EXPECT_FALSE(suite.strategies[0].sees_schedule);
  const SuiteStrategy& boot = suite.strategies[1];
  ASSERT_TRUE(boot.sees_schedule);

  const Demand& rush = suite.demands[0];
  const auto seen = schedule_of(rush).at("m");
  const double capacity = rush.models[0].capacity_per_s;
  EXPECT_EQ(seen.capacity_per_s, capacity);
  ASSERT_EQ(seen.rates_per_s.size(), 125U) << "warm-up and 120 s, by the second";
  EXPECT_NEAR(seen.rates_per_s.at(44), 0.5 * capacity, 1e-9);
  EXPECT_NEAR(seen.rates_per_s.at(46), 1.8 * capacity, 1e-9);

  // Its second replica is there before the rush is; `none` has one throughout.
  const Cell oracle = run_cell(suite, rush, boot, 1, registry_);
  const Cell none = run_cell(suite, rush, suite.strategies[0], 1, registry_);
  const Cell peak = run_cell(suite, rush, suite.strategies[2], 1, registry_);
  EXPECT_GT(oracle.models[0].attainment, 0.95);
  EXPECT_LT(none.models[0].attainment, 0.8);
  EXPECT_NEAR(peak.models[0].mean_ready, 2.0, 0.05);
  EXPECT_LT(oracle.models[0].mean_ready, 1.9);

  const League league = judge_suite(suite, {oracle, none, peak});
  EXPECT_THAT(league_table(suite, league), HasSubstr("sees the schedule"));
  for (const auto& s : league.standings) {
    EXPECT_EQ(s.sees_schedule, s.strategy != "none");
    EXPECT_FALSE(s.sees_schedule && s.on_front);
  }
}

TEST_F(SuiteFile, EqualSeedsGiveEqualCellsInAnyNumberOfThreads) {
  const Suite suite = read(kSmall);
  RunOptions one = options();
  RunOptions three = options();
  one.fresh = three.fresh = true;
  three.threads = 3;
  const auto a = run_suite(suite, registry_, one).value();
  const auto b = run_suite(suite, registry_, three).value();
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(to_json(a[i]), to_json(b[i]));
  EXPECT_NE(a[0].models[0].asked, a[1].models[0].asked) << "seeds differ";
  EXPECT_EQ(a[0].models[0].asked, a[2].models[0].asked) << "strategies meet the same demand";
}

TEST_F(SuiteFile, ADamagedCellIsSimulatedAgain) {
  const Suite suite = read(kSmall);
  (void)run_suite(suite, registry_, options()).value();
  ASSERT_TRUE(write_file(folder_ / "out" / "cells/calm/none-1.json", "{\"key\": 1"));
  RunOptions again = options();
  std::size_t simulated = 0;
  again.progress = [&](const Cell&, std::size_t, std::size_t, bool kept) {
    simulated += kept ? 0 : 1;
  };
  EXPECT_TRUE(run_suite(suite, registry_, again).has_value());
  EXPECT_EQ(simulated, 1U);
}

TEST(Week, WorkDaysAndWeekends) {
  const auto in = ConfigReader::from_text(
      "{kind: week, trough: 1, peak: 5, day_s: 1000, weekend_ratio: 0.5, step_s: 10}", "week");
  const auto week = read_demand_profile(in, {7000.0, 2.0, {}});
  EXPECT_NEAR(week.rate(500.0), 10.0, 0.02);  // Monday noon: the peak, in units of 2/s
  EXPECT_NEAR(week.rate(1000.0), 2.0, 0.02);  // midnight
  EXPECT_NEAR(week.rate(5500.0), 5.0, 0.02);  // Saturday noon
  EXPECT_NEAR(week.total(), 3.0 * 2.0 * 1000.0 * (5 + 2 * 0.5), 1.0);
}

}  // namespace
}  // namespace spate::suite
