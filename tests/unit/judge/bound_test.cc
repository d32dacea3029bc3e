// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/bound.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "spate/base/rng.h"

namespace spate::judge {
namespace {

// Up to `replicas` replicas of 1 or 2 CPUs; a CPU serves 10 a second and costs 1 a second.
std::vector<Configuration> grid(int replicas, double start_cost) {
  std::vector<Configuration> out;
  for (int n = 0; n <= replicas; ++n) {
    for (const double cpu : {1.0, 2.0}) {
      // The second CPU of a replica brings less: what makes replicas and CPU differ.
      out.push_back({n, cpu, n * (cpu == 1.0 ? 10.0 : 17.0), n * cpu, start_cost * cpu});
    }
  }
  return out;
}

struct Brute {
  double cost = std::numeric_limits<double>::infinity();  // with the price of misses
  double within_budget = std::numeric_limits<double>::infinity();
};

Brute brute_force(const BoundProblem& p, double price, double budget) {
  const std::size_t slots = p.demand_per_s.size();
  const std::size_t choices = p.configurations.size();
  std::size_t all = 1;
  for (std::size_t t = 0; t < slots; ++t) all *= choices;
  Brute best;
  for (std::size_t code = 0; code < all; ++code) {
    std::size_t rest = code;
    double cost = 0.0;
    double missed = 0.0;
    int replicas = p.initial_replicas;
    bool possible = true;
    for (std::size_t t = 0; t < slots; ++t, rest /= choices) {
      const Configuration& c = p.configurations[rest % choices];
      possible &= t >= p.start_slots || c.replicas <= p.initial_replicas;
      cost += c.cost_per_s * p.slot_s + c.start_cost * std::max(0, c.replicas - replicas);
      missed += std::max(0.0, p.demand_per_s[t] - c.capacity_per_s) * p.slot_s;
      replicas = c.replicas;
    }
    if (!possible) continue;
    best.cost = std::min(best.cost, cost + price * missed);
    if (missed <= budget + 1e-9) best.within_budget = std::min(best.within_budget, cost);
  }
  return best;
}

BoundProblem random_problem(std::uint64_t seed) {
  Rng rng(seed, "bound");
  BoundProblem p;
  p.slot_s = 1.0 + static_cast<double>(rng.below(3));
  p.configurations = grid(2, rng.uniform(0.0, 6.0));
  p.initial_replicas = static_cast<int>(rng.below(3));
  p.start_slots = rng.below(3);
  for (int t = 0; t < 6; ++t) p.demand_per_s.push_back(rng.uniform(0.0, 40.0));
  return p;
}

TEST(CheapestSchedule, EqualsBruteForceOnRandomCases) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const BoundProblem p = random_problem(seed);
    const double price = Rng(seed, "price").uniform(0.0, 0.5);
    const Schedule s = cheapest_schedule(p, price);
    EXPECT_NEAR(s.cost + price * s.missed, brute_force(p, price, 0.0).cost, 1e-9) << seed;
  }
}

TEST(Clairvoyant, BracketsBruteForceUnderABudget) {
  int tight = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const BoundProblem p = random_problem(seed);
    double total = 0.0;
    for (const double d : p.demand_per_s) total += d * p.slot_s;
    const double ratio = Rng(seed, "ratio").uniform(0.0, 0.5);
    const double best = brute_force(p, 0.0, ratio * total).within_budget;
    const auto c = clairvoyant(p, ratio);
    if (std::isinf(best)) {
      EXPECT_FALSE(c.schedule.has_value()) << seed;
      continue;
    }
    ASSERT_TRUE(c.schedule.has_value()) << seed;
    EXPECT_LE(c.lower_cost, best + 1e-6) << seed;
    EXPECT_GE(c.schedule->cost, best - 1e-9) << seed;
    EXPECT_LE(c.schedule->missed, ratio * total + 1e-6) << seed;
    tight += c.schedule->cost - c.lower_cost < 0.1 * best ? 1 : 0;
  }
  EXPECT_GE(tight, 10);
}

TEST(Clairvoyant, WithoutAMissTheBracketClosesOnTheOptimum) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    BoundProblem p = random_problem(seed);
    p.start_slots = 0;
    for (double& d : p.demand_per_s) d *= 0.8;  // at most 32: two replicas serve 34
    const double best = brute_force(p, 0.0, 0.0).within_budget;
    const auto c = clairvoyant(p, 0.0);
    EXPECT_NEAR(c.schedule->cost, best, 1e-9) << seed;
    EXPECT_NEAR(c.lower_cost, best, 1e-6 * best) << seed;
  }
}

TEST(CheapestSchedule, WorkedByHand) {
  // One replica serves 10, costs 1 a slot, 3 to start. A gap of two slots is cheaper to wait
  // through (2) than to start again (3); one of four is not.
  BoundProblem p;
  p.configurations = {{0, 1.0, 0.0, 0.0, 3.0}, {1, 1.0, 10.0, 1.0, 3.0}};
  p.initial_replicas = 1;
  p.demand_per_s = {10, 0, 0, 10, 0, 0, 0, 0, 10};
  const Schedule s = cheapest_schedule(p, 1000.0);
  EXPECT_EQ(s.choice, (std::vector<std::size_t>{1, 1, 1, 1, 0, 0, 0, 0, 1}));
  EXPECT_DOUBLE_EQ(s.cost, 5.0 + 3.0);
  EXPECT_DOUBLE_EQ(s.missed, 0.0);
  // At 0.2 a request ten missed ones (2) are cheaper than to wait for them (3) or to start (4).
  EXPECT_DOUBLE_EQ(cheapest_schedule(p, 0.2).missed, 20.0);
  p.initial_replicas = 0;
  p.start_slots = 2;
  EXPECT_DOUBLE_EQ(cheapest_schedule(p, 1000.0).missed, 10.0);  // nothing is ready in slot 0
}

FluidProblem fluid(std::vector<double> requests, double deadline_s) {
  FluidProblem f;
  f.requests = std::move(requests);
  f.deadline_s = deadline_s;
  f.requests_per_money = 10.0;
  f.replica_per_s = 10.0;
  return f;
}

TEST(LeastMissed, WaitsUpToTheDeadline) {
  // 30 come at once, 5 a slot are served; a deadline of one slot leaves slots 0, 1 and 2.
  EXPECT_DOUBLE_EQ(least_missed(fluid({30, 0, 0, 0, 0, 0}, 1.0), 5.0), 15.0);
  EXPECT_DOUBLE_EQ(least_missed(fluid({30, 0, 0, 0, 0, 0}, 4.0), 5.0), 0.0);
  EXPECT_DOUBLE_EQ(least_missed(fluid({30, 30}, 1.0), 0.0), 60.0);
  // The end of the trace is not the end of the world: what came last may be served after it.
  EXPECT_DOUBLE_EQ(least_missed(fluid({0, 0, 10}, 1.0), 5.0), 0.0);
}

TEST(FluidLowerBound, WorkedByHand) {
  FluidProblem f = fluid({100, 100}, 0.5);
  EXPECT_DOUBLE_EQ(fluid_lower_bound(f), 20.0);
  f.miss_ratio = 0.1;
  EXPECT_DOUBLE_EQ(fluid_lower_bound(f), 18.0);
  f.miss_ratio = 0.0;
  f.floor_cost_per_s = 30.0;  // its 60 buy 600, all 200 are served for it
  EXPECT_DOUBLE_EQ(fluid_lower_bound(f), 60.0);
}

TEST(FluidLowerBound, IsBelowEveryScheduleThatServesAll) {
  // Brute force over schedules whose backlog must be gone within the deadline.
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng(seed, "fluid");
    BoundProblem p = random_problem(seed);
    p.slot_s = 1.0;
    p.start_slots = 0;
    FluidProblem f = fluid({}, 1.0);
    for (const double d : p.demand_per_s) f.requests.push_back(d);
    f.requests_per_money = 10.0;
    f.replica_per_s = 17.0;
    f.initial_replicas = p.initial_replicas;
    f.start_cost = p.configurations[0].start_cost;
    const double bound = fluid_lower_bound(f);
    const auto c = clairvoyant(p, 0.0);
    if (c.schedule) {
      EXPECT_LE(bound, c.schedule->cost + 1e-9) << seed;
    }
    EXPECT_GE(bound, 0.0);
  }
}

TEST(SearchSchedule, FindsTheSmallestThatWorksAndTrimsIt) {
  // The "simulator": a slot is served when its capacity is at least 1.25 times the demand.
  BoundProblem p;
  for (int n = 0; n <= 6; ++n) p.configurations.push_back({n, 1.0, n * 10.0, n * 1.0, 0.5});
  p.initial_replicas = 1;
  p.demand_per_s = {8, 8, 16, 16, 33, 33, 8, 8};
  const auto evaluate = [&](const Schedule& s) {
    double cost = 0.0;
    int good = 0;
    for (std::size_t t = 0; t < s.choice.size(); ++t) {
      cost += p.configurations[s.choice[t]].cost_per_s;
      good += p.configurations[s.choice[t]].capacity_per_s >= 1.25 * p.demand_per_s[t] ? 1 : 0;
    }
    return Outcome{cost, good / 8.0};
  };
  const auto found = search_schedule(p, 1.0, evaluate).value();
  EXPECT_DOUBLE_EQ(found.outcome.attainment, 1.0);
  EXPECT_DOUBLE_EQ(found.outcome.cost, 1 + 1 + 2 + 2 + 5 + 5 + 1 + 1);
  EXPECT_LE(found.evaluations, 40);
  // Three of four slots are enough: the dearest stretch goes down.
  const auto lax = search_schedule(p, 0.75, evaluate).value();
  EXPECT_LT(lax.outcome.cost, found.outcome.cost);
  EXPECT_GE(lax.outcome.attainment, 0.75);
  EXPECT_FALSE(search_schedule(p, 1.1, evaluate).has_value());
}

TEST(Regret, IsCostAboveTheBound) { EXPECT_DOUBLE_EQ(regret(15.0, 10.0), 0.5); }

}  // namespace
}  // namespace spate::judge
