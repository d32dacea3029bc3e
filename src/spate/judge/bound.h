// SPDX-License-Identifier: Apache-2.0
//
// Bounds on what any strategy can reach: the cheapest schedule of one who knows the demand in
// advance, and a lower bound that holds for every policy. docs/bounds.md derives both.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace spate::judge {

// One way to run a model: so many replicas, each with so much CPU.
struct Configuration {
  int replicas = 0;
  double cpu_limit = 0.0;       // CPUs per replica
  double capacity_per_s = 0.0;  // requests served within the objective when all are ready
  double cost_per_s = 0.0;      // money while it is in force
  double start_cost = 0.0;      // money for each replica that is started into it
};

struct BoundProblem {
  double slot_s = 1.0;
  std::vector<double> demand_per_s;           // mean rate of each slot
  std::vector<Configuration> configurations;  // at least one, at most 65 535
  int initial_replicas = 0;
  // Slots until a replica started at the beginning is ready: so long no configuration can have
  // more than the initial replicas. Later a clairvoyant starts early: what that costs is
  // start_cost.
  std::size_t start_slots = 0;
};

struct Schedule {
  std::vector<std::size_t> choice;  // configuration of each slot
  double cost = 0.0;                // running and starting
  double missed = 0.0;              // requests beyond the capacity of their slot
};

// Exact: minimises cost + price_per_miss * missed over all schedules, by dynamic programming in
// O(slots * configurations). Changes of CPU are free and immediate; fewer replicas cost nothing.
// Slots are taken as independent: a backlog is a miss. Requires price_per_miss >= 0 and a
// configuration with at most initial_replicas when start_slots > 0.
Schedule cheapest_schedule(const BoundProblem& problem, double price_per_miss);

struct Clairvoyant {
  // No schedule that misses at most the budget costs less (Lagrangian bound over the price).
  double lower_cost = 0.0;
  // The cheapest found that keeps the budget; unset when none can.
  std::optional<Schedule> schedule;
};

// `miss_ratio`: the share of all requests that may be missed, [0, 1).
Clairvoyant clairvoyant(const BoundProblem& problem, double miss_ratio);

// --- every policy, with queueing up to the deadline
// -----------------------------------------------

struct FluidProblem {
  double slot_s = 1.0;
  std::vector<double> requests;  // arriving in each slot
  double deadline_s = 0.0;       // from arrival; > 0
  double miss_ratio = 0.0;
  // The most requests that a unit of money buys, in any configuration at full use (not merely
  // within the objective); > 0.
  double requests_per_money = 0.0;
  double floor_cost_per_s = 0.0;  // of the smallest configuration that bounds allow
  // The most a single replica serves per second, in any configuration; > 0.
  double replica_per_s = 0.0;
  int initial_replicas = 0;
  double start_cost = 0.0;  // the least that starting a replica costs
};

// A cost that no policy can go below: work in fluid form, no randomness, no whole replicas, any
// request served up to its deadline.
double fluid_lower_bound(const FluidProblem& problem);

// The least that a server of `per_s` must leave unserved when every request is good until its
// deadline (earliest deadline first, which is optimal for equal work). Exposed for tests.
double least_missed(const FluidProblem& problem, double per_s);

// --- a schedule that really works -----------------------------------------------------------

struct Outcome {
  double cost = 0.0;
  double attainment = 0.0;
};
struct Feasible {
  Schedule schedule;  // cost and missed are the dynamic programme's
  Outcome outcome;    // as the simulator says
  double headroom = 1.0;
  int evaluations = 0;
};
// Looks for a cheap schedule that attains `target` in `evaluate` (a simulated run of it): the
// smallest headroom h by bisection over [0.5, 4], planning for h times the demand; then single
// stretches are lowered by one configuration while the target holds. At most `most_evaluations`.
// Unset when even the largest headroom misses the target.
std::optional<Feasible> search_schedule(const BoundProblem& problem, double target,
                                        const std::function<Outcome(const Schedule&)>& evaluate,
                                        int most_evaluations = 40);

// Cost above a bound, as a share of it: 0 is perfect. Requires bound > 0.
double regret(double cost, double bound);

}  // namespace spate::judge
