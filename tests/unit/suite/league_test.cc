// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/league.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "spate/influx/arrivals.h"
#include "spate/scaling/strategies.h"
#include "testing/test_folder.h"

namespace spate::suite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Equal demands of 1 000 requests of 0.1 CPU-seconds; a CPU-hour costs 3 600, memory nothing.
Suite equal_demands(int count) {
  std::string text = R"(
name: eight
description: "<made up>"
seeds: [1]
warm_up_s: 0
prices: {cpu_per_hour: 3600, memory_gib_per_hour: 0, currency: EUR}
miss_price: 2
model_defaults:
  service: {cpu_ms: 100}
  slo: {latency_ms: 1000, target: 0.9}
  bounds: {min_replicas: 0, max_replicas: 3}
  profile: {kind: constant, rate_per_s: 5}
strategies: {none: {}, horizontal: {}, vertical: {}}
demands:
)";
  for (int i = 0; i < count; ++i) {
    text += "  d" + std::to_string(i) + ": {duration_s: 200, models: {m: {}}}\n";
  }
  const test::TestFolder folder;
  return read_suite(folder.write("eight.yaml", text), scaling::builtin_strategies());
}

Suite eight_demands() { return equal_demands(8); }

Cell cell(const std::string& demand, const std::string& strategy, double cost, double in_time) {
  Cell out{demand, strategy, 1, {}, 1000.0, {}};
  CellModel m;
  m.model = "m";
  m.asked = 1000.0;
  m.in_time = in_time;
  m.attainment = in_time / 1000.0;
  m.slo_target = 0.9;
  m.cost = cost;
  m.elasticity.theta_u_percent = strategy == "none" ? 40.0 : 10.0;
  out.models.push_back(m);
  return out;
}

TEST(Bound, IsTheWorkLessTheBudget) {
  const Suite suite = eight_demands();
  const auto bound = bound_of(suite, suite.demands[0]);
  // 1 000 requests x 0.1 CPU-seconds x 1 EUR; a tenth need not be served.
  EXPECT_NEAR(bound.lower_cost, 90.0, 1e-6);
  EXPECT_NEAR(bound.per_request, 0.1, 1e-9);
}

// An environment as slow as the run: what a seed brings is far from the profile's 1 000. Each
// seed's bound is that of its own requests; Poisson's chance is within five standard errors.
TEST(Bound, OfMmppArrivalsIsThatOfTheSeedsOwnSurges) {
  Suite suite = equal_demands(1);
  suite.seeds = {1, 2, 3};
  suite.demands[0].models[0].sim.arrivals = influx::parse_arrivals("mmpp:0.2/60,3/60");
  const auto registry = scaling::builtin_strategies();
  double asked = 0.0;
  for (const auto seed : suite.seeds) {
    const Cell cell = run_cell(suite, suite.demands[0], suite.strategies[0], seed, registry);
    asked += cell.models[0].asked / 3.0;
  }
  EXPECT_GT(std::abs(asked - 1000.0), 100.0)
      << "these seeds happen to bring what the profile expects";
  EXPECT_NEAR(bound_of(suite, suite.demands[0]).lower_cost, 0.1 * 0.9 * asked,
              0.1 * 0.9 * 5.0 * std::sqrt(asked / 3.0));
}

TEST(League, ScoresRanksAndTies) {
  const Suite suite = eight_demands();
  std::vector<Cell> cells;
  for (int i = 0; i < 8; ++i) {
    const std::string d = "d" + std::to_string(i);
    cells.push_back(cell(d, "none", 90.0, 400.0));         // cheap and bad
    cells.push_back(cell(d, "horizontal", 180.0, 950.0));  // meets
    cells.push_back(cell(d, "vertical", i % 2 == 0 ? 179.0 : 181.0, 950.0));
  }
  const League league = judge_suite(suite, cells);
  // none: 500 misses beyond the budget at 2 x 0.1: (90 + 100) / 90.
  ASSERT_EQ(league.standings.size(), 3U);
  const auto& last = league.standings.back();
  EXPECT_EQ(last.strategy, "none");
  EXPECT_NEAR(last.score.mean, 190.0 / 90.0, 1e-9);
  EXPECT_EQ(last.rank, 3);
  EXPECT_EQ(last.demands_met, 0U);
  EXPECT_TRUE(last.on_front) << "nothing is cheaper";
  EXPECT_NEAR(last.relative_cost, 1.0, 1e-9);
  for (int i = 0; i < 2; ++i) {
    const auto& s = league.standings[static_cast<std::size_t>(i)];
    EXPECT_EQ(s.rank, 1);
    EXPECT_EQ(s.demands_met, 8U);
    EXPECT_THAT(s.tied, ElementsAre(league.standings[static_cast<std::size_t>(1 - i)].strategy));
    EXPECT_NEAR(s.elastic_speedup, std::pow(4.0, 0.25), 1e-9);
  }
  EXPECT_FALSE(league.ranking.too_few);
}

// A run whose replicas were never ready costs nothing. That is no merit.
TEST(League, WhatNeverBeganHasNoPlace) {
  const Suite suite = eight_demands();
  std::vector<Cell> cells;
  for (const auto& d : suite.demands) {
    cells.push_back(cell(d.name, "none", 120.0, 800.0));
    cells.push_back(cell(d.name, "horizontal", 180.0, 950.0));
    cells.push_back(cell(d.name, "vertical", 150.0, 950.0));
  }
  Cell& never = cells.at(5);  // vertical on d1
  never.models.front().cost = never.models.front().in_time = never.models.front().attainment = 0.0;
  never.problems = {"the replicas were not ready after 90 s"};
  const League league = judge_suite(suite, cells);

  ASSERT_EQ(league.standings.size(), 2U);
  EXPECT_EQ(league.standings[0].strategy, "none");  // (120 + 20) / 90 against 180 / 90
  EXPECT_EQ(league.standings[1].strategy, "horizontal");
  ASSERT_EQ(league.unranked.size(), 1U);
  EXPECT_EQ(league.unranked[0].strategy, "vertical");
  EXPECT_EQ(league.unranked[0].runs_unready, 1U);
  EXPECT_EQ(league.unranked[0].runs, 8U);
  EXPECT_THAT(league.unranked[0].demands, ElementsAre("d1"));
  for (const auto& e : league.entries) {
    if (e.strategy != "vertical") continue;
    // Where it did begin it keeps its figures: it meets cheapest there, horizontal on d1.
    EXPECT_EQ(e.runs_unready, e.demand == "d1" ? 1U : 0U);
    EXPECT_EQ(e.on_front, e.demand != "d1");
    EXPECT_EQ(e.regret_upper.has_value(), e.demand != "d1");
  }
  EXPECT_EQ(league.bounds[0].upper_by, "vertical");
  EXPECT_EQ(league.bounds[1].upper_by, "horizontal");
  EXPECT_EQ(league.entries[5].strategy, "vertical") << "last on its demand";

  const std::string why = "not ranked: the replicas were never ready in 1 of 8 runs (d1)";
  EXPECT_THAT(league_table(suite, league), HasSubstr("   -  vertical    " + why));
  EXPECT_THAT(league_html(suite, league), HasSubstr(why));
  EXPECT_THAT(league_html(suite, league), HasSubstr("never ready in 1 of 1 runs"));
  const auto json = league_json(suite, league);
  EXPECT_EQ(json["league"].size(), 2U);
  EXPECT_EQ(json["unranked"][0]["strategy"], "vertical");
}

TEST(League, IsWrittenInThreeForms) {
  const Suite suite = eight_demands();
  std::vector<Cell> cells;
  for (const auto& d : suite.demands) {
    for (const auto& s : suite.strategies) cells.push_back(cell(d.name, s.label, 120.0, 950.0));
  }
  const League league = judge_suite(suite, cells);
  const auto json = league_json(suite, league);
  EXPECT_EQ(json["league"].size(), 3U);
  EXPECT_EQ(json["entries"].size(), 24U);
  EXPECT_EQ(json["p_values"].size(), 3U);
  EXPECT_NEAR(json["demands"][0]["lower_bound_cost"].get<double>(), 90.0, 1e-6);
  const std::string html = league_html(suite, league);
  EXPECT_THAT(html, HasSubstr("&lt;made up&gt;"));
  EXPECT_THAT(html, HasSubstr("<svg"));
  EXPECT_THAT(html, testing::Not(HasSubstr("http")));  // nothing is loaded from anywhere
  League tied = league;
  tied.standings.at(0).tied = {"a", "b", "c"};
  EXPECT_THAT(league_html(suite, tied), HasSubstr("<summary>3 strategies</summary>a, b, c<"));
  EXPECT_THAT(league_table(suite, league), HasSubstr("horizontal"));
}

}  // namespace
}  // namespace spate::suite
