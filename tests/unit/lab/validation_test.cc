// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "spate/base/files.h"
#include "spate/lab/validate.h"
#include "testing/run_fixture.h"

namespace spate::lab {
namespace {

using testing::HasSubstr;

RunResult run(double attainment, double cost, double p50, double p99) {
  RunResult out;
  ModelResult m;
  m.model = "image";
  m.slo_attainment = attainment;
  m.cost.total = cost;
  m.p50_ms = p50;
  m.p99_ms = p99;
  out.models.push_back(m);
  return out;
}

ValidationLine line(const std::vector<RunResult>& live, const std::vector<RunResult>& simulated) {
  const auto lines = validate_runs("step", "none", {"image"}, live, simulated);
  EXPECT_EQ(lines.size(), 1U);
  return lines.at(0);
}

// p50 of 10 to 14: by hand the interval is 12 +- 3.692 (tests/unit/judge/prediction_test.cc).
std::vector<RunResult> five() {
  return {run(0.90, 10.0, 10.0, 100.0), run(0.92, 10.0, 11.0, 110.0), run(0.94, 10.0, 12.0, 120.0),
          run(0.96, 10.0, 13.0, 130.0), run(0.98, 10.0, 14.0, 140.0)};
}

TEST(Validation, WithinOnEveryFigure) {
  const auto l = line(five(), {run(0.96, 10.4, 15.0, 90.0), run(0.96, 10.4, 16.0, 90.0)});
  EXPECT_NEAR(*l.attainment.difference, 2.0, 1e-9);
  EXPECT_NEAR(*l.cost.difference, 0.04, 1e-9);
  EXPECT_DOUBLE_EQ(*l.p50_ms.simulated, 15.5);
  EXPECT_EQ(l.p50_ms.simulated_runs_inside, 1) << "16 lies outside 15.69, the mean inside";
  EXPECT_EQ(l.within(), Within::Yes);
  EXPECT_EQ(l.live_runs, 5);
  EXPECT_EQ(l.simulated_runs, 2);
}

TEST(Validation, TheLimitsThemselvesAreWithin) {
  const auto l = line(five(), {run(0.97, 10.5, 12.0, 120.0)});
  EXPECT_EQ(l.attainment.within, Within::Yes);
  EXPECT_EQ(l.cost.within, Within::Yes);
  EXPECT_EQ(line(five(), {run(0.91, 9.5, 12.0, 120.0)}).within(), Within::Yes);
}

TEST(Validation, EachFigureCanMiss) {
  EXPECT_EQ(line(five(), {run(0.971, 10.0, 12.0, 120.0)}).attainment.within, Within::No);
  EXPECT_EQ(line(five(), {run(0.909, 10.0, 12.0, 120.0)}).attainment.within, Within::No);
  EXPECT_EQ(line(five(), {run(0.94, 10.51, 12.0, 120.0)}).cost.within, Within::No);
  EXPECT_EQ(line(five(), {run(0.94, 10.0, 15.7, 120.0)}).p50_ms.within, Within::No);
  EXPECT_EQ(line(five(), {run(0.94, 10.0, 12.0, 83.0)}).p99_ms.within, Within::No);
  EXPECT_EQ(line(five(), {run(0.94, 10.0, 12.0, 83.0)}).within(), Within::No);
}

TEST(Validation, OneLiveRunCannotTell) {
  const auto l = line({run(0.9, 10.0, 10.0, 100.0)}, {run(0.9, 10.0, 10.0, 100.0)});
  EXPECT_EQ(l.attainment.within, Within::Yes);
  EXPECT_EQ(l.p50_ms.within, Within::Unknown);
  EXPECT_EQ(l.within(), Within::Unknown);
  EXPECT_EQ(line({}, {}).within(), Within::Unknown);
  EXPECT_FALSE(count({l}).all_within());
}

TEST(Validation, InvalidRunsDoNotCountAndDisturbedOnesAreSaid) {
  auto live = five();
  live[0].valid = false;
  live[1].disturbed = true;
  const auto l = line(live, {run(0.95, 10.0, 12.0, 120.0)});
  EXPECT_EQ(l.live_runs, 4);
  EXPECT_EQ(l.disturbed_runs, 1);
  EXPECT_NEAR(*l.attainment.live, 0.95, 1e-12);
}

TEST(Validation, CostOfNothing) {
  const std::vector<RunResult> free = {run(1.0, 0.0, 1.0, 1.0), run(1.0, 0.0, 1.0, 1.0)};
  EXPECT_EQ(line(free, {run(1.0, 0.0, 1.0, 1.0)}).cost.within, Within::Yes);
  EXPECT_EQ(line(free, {run(1.0, 0.1, 1.0, 1.0)}).cost.within, Within::No);
}

TEST(Validation, CountsAndSaysSo) {
  const auto good = line(five(), {run(0.94, 10.0, 12.0, 120.0)});
  const auto bad = line(five(), {run(0.5, 10.0, 99.0, 120.0)});
  const auto unknown = line({}, {});
  const auto c = count({good, bad, unknown});
  EXPECT_EQ(verdict_text(c), "1 of 3 lines within, 1 cannot be told; 6 of 12 figures");
  EXPECT_TRUE(count({good}).all_within());
  EXPECT_FALSE(count({}).all_within());
  const std::string table = validation_table({good, bad, unknown});
  EXPECT_THAT(table, HasSubstr("-44.00!"));
  EXPECT_THAT(table, HasSubstr("12 in [8.308, 15.69]"));
  EXPECT_THAT(table, HasSubstr("99 in [8.308, 15.69]!"));
  const auto json = to_json(bad);
  EXPECT_EQ(json["within"], "no");
  EXPECT_NEAR(json["p50_ms"]["width"].get<double>(), 2 * 3.69247, 1e-4);
}

TEST(Validation, ADifferenceThatRoundsToZeroHasNoSign) {
  const std::string table = validation_table({line(five(), {run(0.93999, 9.9999, 12.0, 120.0)})});
  EXPECT_THAT(table, HasSubstr("   0.00 "));
  EXPECT_THAT(table, HasSubstr("   0.0 %"));
}

TEST(ValidateLive, KnowsWhatIsThere) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "spate-validate-resume";
  std::filesystem::remove_all(folder);
  test::write_experiment(folder, {.repetitions = 2, .invalid = {"none-2"}, .disturbed = {}});
  std::filesystem::remove_all(folder / "vertical-1");
  std::filesystem::remove(folder / "horizontal-2" / "influx.summary.json");
  EXPECT_TRUE(is_finished_run(folder / "none-1"));
  EXPECT_FALSE(is_finished_run(folder / "none-2")) << "invalid";
  EXPECT_FALSE(is_finished_run(folder / "vertical-1")) << "not there";
  EXPECT_FALSE(is_finished_run(folder / "horizontal-2")) << "cut short";
  Scenario scenario;
  std::vector<std::string> names;
  for (const auto& key : missing_runs(folder, scenario, {"none", "horizontal", "vertical"}, 3)) {
    names.push_back(key.label + "-" + std::to_string(key.repetition));
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("vertical-1", "none-2", "horizontal-2", "none-3",
                                                   "horizontal-3", "vertical-3"));
  EXPECT_EQ(names.front(), "vertical-1") << "repetition by repetition";
  std::filesystem::remove_all(folder);
}

TEST(ValidateLive, AllLeavesOutWhatCannotRunAndSaysWhy) {
  std::vector<Skipped> skipped;
  const auto names = expand_strategies({"vertical", "all"}, skipped);
  EXPECT_EQ(names.front(), "vertical");
  EXPECT_EQ(std::count(names.begin(), names.end(), "vertical"), 1);
  EXPECT_THAT(names, testing::IsSupersetOf({"none", "horizontal", "keda", "erlang_c"}));
  EXPECT_THAT(names, testing::Not(testing::Contains("external")));
  EXPECT_THAT(names, testing::Not(testing::Contains("oracle_rate")));
  ASSERT_FALSE(skipped.empty());
  for (const auto& s : skipped) EXPECT_FALSE(s.reason.empty());
  // Named, a baseline is taken.
  skipped.clear();
  const auto with = expand_strategies({"oracle_rate", "all"}, skipped);
  EXPECT_THAT(with, testing::Contains("oracle_rate"));
  for (const auto& s : skipped) EXPECT_NE(s.strategy, "oracle_rate");
}

TEST(ValidateLive, LearnsHowLongARunTakes) {
  RemainingTime left;
  left.add(50.0, 2);
  left.add(60.0, 2);
  EXPECT_DOUBLE_EQ(left.seconds(), 220.0 + 4 * 10.0) << "a guess at first";
  left.done(50.0, 56.0);
  EXPECT_DOUBLE_EQ(left.seconds(), 170.0 + 3 * 6.0);
  left.done(50.0, 52.0);
  EXPECT_DOUBLE_EQ(left.seconds(), 120.0 + 2 * 4.0);
  EXPECT_EQ(left.runs_left(), 2);
}

}  // namespace
}  // namespace spate::lab
