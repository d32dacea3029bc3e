// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/clairvoyant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/suite/league.h"
#include "testing/test_folder.h"

namespace spate::suite {
namespace {

using testing::HasSubstr;

// One step up from half a replica's capacity to one and a half; a CPU-hour costs 3 600.
const char* const kStep = R"(
name: step
seeds: [1, 2]
warm_up_s: 10
prices: {cpu_per_hour: 3600, memory_gib_per_hour: 0, currency: EUR}
model_defaults:
  service: {cpu_ms: 50}
  start: {spawn_ms: 100, load_cpu_ms: 1000, cv: 0}
  slo: {latency_ms: 300, target: 0.9}
  replicas: 1
  bounds: {min_replicas: 1, max_replicas: 3}
strategies:
  none: {}
demands:
  step:
    duration_s: 120
    models: {m: {profile: {kind: steps, steps: [{for_s: 60, rate: 0.4}, {for_s: 60, rate: 1.5}]}}}
  beyond:
    duration_s: 30
    models: {m: {profile: {kind: constant, rate: 20}}}
  two:
    duration_s: 60
    models:
      a: {profile: {kind: constant, rate: 0.4}}
      b: {profile: {kind: constant, rate: 1.5}}
)";

class Search : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const test::TestFolder folder;
    suite_ = new Suite(read_suite(folder.write("step.yaml", kStep), scaling::builtin_strategies()));
  }
  static void TearDownTestSuite() { delete suite_; }
  static const Demand& demand(const std::string& name) {
    for (const auto& d : suite_->demands) {
      if (d.name == name) return d;
    }
    throw std::out_of_range(name);
  }
  static Suite* suite_;
};
Suite* Search::suite_ = nullptr;

TEST_F(Search, ConfigurationsAreWhatTheBoundsAllow) {
  SuiteModel model = demand("step").models[0];
  model.sim.settings.bounds.max_cpu = 2.0;  // one more capacity is measured
  const auto all = configurations_of(*suite_, model);
  std::vector<std::pair<int, double>> have;
  for (const auto& c : all) have.emplace_back(c.replicas, c.cpu_limit);
  EXPECT_THAT(have, testing::UnorderedElementsAre(std::pair{1, 1.0}, std::pair{2, 1.0},
                                                  std::pair{3, 1.0}, std::pair{1, 2.0}));
  for (const auto& c : all) {
    EXPECT_NEAR(c.cost_per_s, c.replicas * c.cpu_limit, 1e-9) << "a CPU-second costs 1";
    EXPECT_GT(c.capacity_per_s, 0.9 * c.replicas * c.cpu_limit * model.capacity_per_s);
  }
}

TEST(Wishes, StartAheadAndLetGoInTime) {
  judge::BoundProblem problem;
  problem.slot_s = 2.0;
  problem.demand_per_s.assign(8, 1.0);
  problem.configurations = {
      {1, 1.0, 1.0, 1.0, 0.0}, {3, 1.0, 3.0, 3.0, 0.0}, {1, 2.0, 2.0, 2.0, 0.0}};
  judge::Schedule schedule;
  schedule.choice = {0, 0, 0, 0, 1, 0, 2, 2};
  const auto wishes = wishes_of(problem, schedule, 3.0);  // two slots ahead
  std::vector<std::tuple<double, int, double>> have;
  for (const auto& w : wishes) have.emplace_back(w.at_s, w.replicas, w.cpu_limit);
  EXPECT_THAT(have, testing::ElementsAre(std::tuple{0.0, 1, 1.0}, std::tuple{4.0, 3, 1.0},
                                         std::tuple{10.0, 1, 1.0}, std::tuple{12.0, 1, 2.0}));
}

TEST_F(Search, FindsAScheduleBetweenTheBoundAndTheStaticOne) {
  const Clairvoyant c = find_clairvoyant(*suite_, demand("step"), 12);
  ASSERT_TRUE(c.cost.has_value()) << c.why;
  EXPECT_GE(c.attainment, 0.9);
  EXPECT_LE(c.evaluations, 12);
  const double lower = bound_of(*suite_, demand("step")).lower_cost;
  EXPECT_GE(*c.cost, lower);
  // Half the time one CPU does, half the time two do: 180 CPU-seconds, and what starting takes.
  EXPECT_GT(*c.cost, 150.0);
  EXPECT_LT(*c.cost, 200.0) << "cheaper than two CPUs all the time, 240";
  EXPECT_LE(c.plan_lower_cost, c.plan_cost + 1e-9);
}

TEST_F(Search, IsDeterministicAndABiggerBudgetIsNoWorse) {
  const Clairvoyant a = find_clairvoyant(*suite_, demand("step"), 6);
  EXPECT_EQ(to_json(a), to_json(find_clairvoyant(*suite_, demand("step"), 6)));
  ASSERT_TRUE(a.cost.has_value());
  const Clairvoyant first = find_clairvoyant(*suite_, demand("step"), 2);
  ASSERT_TRUE(first.cost.has_value());
  EXPECT_LE(*a.cost, *first.cost);
}

TEST_F(Search, SaysWhenNothingMeetsTheObjective) {
  const Clairvoyant c = find_clairvoyant(*suite_, demand("beyond"), 6);
  EXPECT_FALSE(c.cost.has_value());
  EXPECT_THAT(c.why, HasSubstr("even as much as the bounds allow misses"));
}

TEST_F(Search, ModelsAreSearchedOneByOneAndProvedTogether) {
  const Clairvoyant c = find_clairvoyant(*suite_, demand("two"), 6);
  ASSERT_TRUE(c.cost.has_value()) << c.why;
  EXPECT_GE(c.attainment, 0.9);
  // 1 CPU for a, 2 for b, a minute each.
  EXPECT_NEAR(*c.cost, 180.0, 20.0);
}

TEST_F(Search, FilesAreKeptAndDamagedOnesDoneAgain) {
  const test::TestFolder folder;
  Suite small = *suite_;
  small.demands = {demand("step"), demand("beyond")};
  ClairvoyantOptions options;
  options.out = folder.path();
  options.evaluations = 3;
  options.threads = 2;
  options.version = "test";
  std::vector<bool> kept;
  options.progress = [&](const Clairvoyant&, std::size_t, std::size_t, bool was_kept) {
    kept.push_back(was_kept);
  };
  const auto first = find_clairvoyants(small, options).value();
  const auto again = find_clairvoyants(small, options).value();
  EXPECT_THAT(kept, testing::ElementsAre(false, false, true, true));
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(first[0].demand, "step");
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(to_json(first[i]), to_json(again[i]));
  folder.write("clairvoyant/step.json", "{\"key\": 1");
  options.evaluations = 3;
  kept.clear();
  (void)find_clairvoyants(small, options).value();
  EXPECT_THAT(kept, testing::UnorderedElementsAre(false, true));
}

TEST_F(Search, TheLeagueHasTheBracket) {
  Suite one = *suite_;
  one.demands = {demand("step")};
  Cell cell{"step", "none", 1, {}, 1000.0, {}};
  CellModel m;
  m.model = "m";
  m.asked = 1000.0;
  m.in_time = 950.0;
  m.attainment = 0.95;
  m.slo_target = 0.9;
  m.cost = 240.0;
  cell.models.push_back(m);
  Cell second = cell;
  second.seed = 2;
  const auto without = judge_suite(one, {cell, second});
  EXPECT_EQ(without.bounds[0].upper_by, "none") << "the cheapest that meets is known at least";
  EXPECT_DOUBLE_EQ(*without.entries[0].regret_upper, 0.0);

  Clairvoyant found;
  found.demand = "step";
  found.cost = 160.0;
  found.attainment = 0.91;
  const auto with = judge_suite(one, {cell, second}, {found});
  EXPECT_EQ(with.bounds[0].upper_by, "clairvoyant");
  EXPECT_DOUBLE_EQ(*with.entries[0].regret_upper, 0.5);
  EXPECT_NEAR(with.standings[0].relative_to_best, 1.5, 1e-9);
  EXPECT_EQ(with.entries[0].seeds_needed, 2U) << "no spread was seen";
  const auto json = league_json(one, with);
  EXPECT_EQ(json["demands"][0]["upper_bound_by"], "clairvoyant");
  EXPECT_DOUBLE_EQ(json["demands"][0]["upper_bound_cost"].get<double>(), 160.0);
  EXPECT_THAT(league_html(one, with), HasSubstr("the schedule of one who knows the demand"));
  EXPECT_THAT(league_table(one, with), HasSubstr("found on 1 of 1 demands"));

  // A strategy that is cheaper and meets is the better bound.
  cell.models[0].cost = second.models[0].cost = 150.0;
  EXPECT_EQ(judge_suite(one, {cell, second}, {found}).bounds[0].upper_by, "none");
  // One that is cheap because it misses is none.
  cell.models[0].attainment = 0.5;
  const auto missing = judge_suite(one, {cell, second}, {found});
  EXPECT_EQ(missing.bounds[0].upper_by, "clairvoyant");
  EXPECT_LT(*missing.entries[0].regret_upper, 0.0);
}

}  // namespace
}  // namespace spate::suite
