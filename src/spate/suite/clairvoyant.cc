// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/clairvoyant.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "spate/base/check.h"
#include "spate/sim/world.h"
#include "spate/suite/cell.h"

namespace spate::suite {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
constexpr double kSecondsPerHour = 3600.0;
constexpr double kMostSlots = 5000.0;
constexpr std::size_t kMostConfigurations = 512;
constexpr int kMostLimits = 5;
constexpr double kTickS = 1.0;
constexpr double kSlowStarts = 1.3;  // a start that takes so much longer than the mean is in time

// CPU limits to choose from: the ends, the initial one, and whole CPUs or equal steps between.
std::vector<double> limits_of(const scaling::ModelSettings& m) {
  std::set<double> out{m.bounds.min_cpu, m.bounds.max_cpu, m.cpu_limit};
  if (m.bounds.max_cpu / m.bounds.min_cpu > 1.0 + 1e-9) {
    const double ratio = std::pow(m.bounds.max_cpu / m.bounds.min_cpu, 1.0 / (kMostLimits - 1));
    const bool whole = m.bounds.max_cpu - m.bounds.min_cpu <= kMostLimits;
    for (double c = std::ceil(m.bounds.min_cpu); whole && c < m.bounds.max_cpu; c += 1.0)
      out.insert(c);
    for (int i = 1; !whole && i + 1 < kMostLimits; ++i) {
      out.insert(std::round(m.bounds.min_cpu * std::pow(ratio, i) * 100.0) / 100.0);
    }
  }
  return {out.begin(), out.end()};
}

// Numbers of replicas, all of them while they are at most `most`, else evenly apart.
std::vector<int> replicas_of(const scaling::Bounds& bounds, std::size_t most) {
  std::set<int> out;
  const double range = bounds.max_replicas - bounds.min_replicas;
  const double steps = std::min(range, static_cast<double>(most) - 1.0);
  for (double i = 0.0; i <= steps; i += 1.0) {
    out.insert(bounds.min_replicas +
               static_cast<int>(std::lround(steps > 0.0 ? i * range / steps : 0.0)));
  }
  return {out.begin(), out.end()};
}

double money_per_s(const Suite& suite, double cpus, double memory_bytes) {
  return (cpus * suite.prices.cpu_per_hour +
          memory_bytes / kGib * suite.prices.memory_gib_per_hour) /
         kSecondsPerHour;
}

double start_s(const sim::SimModel& m) {
  return (m.start.spawn.mean_ns() + m.start.to_main.mean_ns() + m.start.load.mean_ns()) / 1e9;
}

double lead_s(const sim::SimModel& m) { return kSlowStarts * start_s(m) + kTickS; }

judge::BoundProblem problem_of(const Suite& suite, const Demand& demand, const SuiteModel& model) {
  judge::BoundProblem out;
  out.slot_s = std::max({1.0, std::ceil(model.sim.settings.slo_latency_s),
                         std::ceil(demand.duration_s / kMostSlots)});
  const influx::Profile& profile = *model.sim.profile;
  for (double t = 0.0; t < demand.duration_s; t += out.slot_s) {
    // A step up in the middle of a slot must not be halved: the larger of its halves.
    const double end = std::min(demand.duration_s, t + out.slot_s);
    const double middle = 0.5 * (t + end);
    const double at_middle = profile.cumulative(middle);
    out.demand_per_s.push_back(
        std::max(at_middle - profile.cumulative(t), profile.cumulative(end) - at_middle) /
        (middle - t));
  }
  out.configurations = configurations_of(suite, model);
  // The warm-up may have started as many as there can be: the first are free.
  out.initial_replicas = model.sim.settings.bounds.max_replicas;
  return out;
}

// All models of `demand` with the wishes, one run.
Cell simulate(const Suite& suite, const Demand& demand, std::uint64_t seed,
              const std::vector<std::vector<Wish>>& wishes) {
  auto follow = std::make_unique<FollowWishes>(wishes, -demand.warm_up_s);
  FollowWishes& strategy = *follow;
  sim::World world(world_of(demand, seed), std::move(follow));
  (void)world.run_until(-demand.warm_up_s);
  strategy.begin();
  (void)world.run_until(demand.duration_s + 1e6);
  return measure(suite, demand, "clairvoyant", seed, world.finish());
}

judge::Outcome outcome_of(const std::vector<Cell>& cells) {
  judge::Outcome out{0.0, 1.0};
  for (const Cell& cell : cells) {
    out.cost += cell.cost() / static_cast<double>(cells.size());
    for (const auto& m : cell.models) out.attainment = std::min(out.attainment, m.attainment);
    if (!cell.problems.empty()) out.attainment = 0.0;
  }
  return out;
}

std::vector<Cell> simulate_all_seeds(const Suite& suite, const Demand& demand,
                                     const std::vector<std::vector<Wish>>& wishes) {
  std::vector<Cell> out;
  for (const auto seed : suite.seeds) out.push_back(simulate(suite, demand, seed, wishes));
  return out;
}

// `demand` with only its model `index`: models of a suite share nothing.
Demand alone(const Demand& demand, std::size_t index) {
  Demand out = demand;
  out.models = {demand.models[index]};
  return out;
}

}  // namespace

FollowWishes::FollowWishes(std::vector<std::vector<Wish>> wishes, double begins_at_s)
    : wishes_(std::move(wishes)), begins_at_s_(begins_at_s) {
  needs_.tick = from_seconds(kTickS);
}

std::vector<scaling::Target> FollowWishes::decide(const scaling::Observation& seen) {
  if (begun_ && !from_) from_ = seen.now;
  std::vector<scaling::Target> out;
  for (std::size_t i = 0; i < seen.models.size(); ++i) {
    scaling::Target target;
    target.replicas = seen.models[i].wanted_replicas;
    target.reason = "hold";
    if (from_ && i < wishes_.size()) {
      const double now_s = begins_at_s_ + to_seconds(seen.now - *from_);
      const auto& wishes = wishes_[i];
      const auto after = std::upper_bound(wishes.begin(), wishes.end(), now_s + 1e-9,
                                          [](double t, const Wish& wish) { return t < wish.at_s; });
      // What comes first holds before it, too: the warm-up is there to get it ready.
      const Wish& wish = after == wishes.begin() ? wishes.front() : *std::prev(after);
      target.replicas = wish.replicas;
      target.cpu_limit = wish.cpu_limit;
      target.reason = "as the schedule says";
    }
    out.push_back(std::move(target));
  }
  return out;
}

std::vector<judge::Configuration> configurations_of(const Suite& suite, const SuiteModel& model) {
  const scaling::ModelSettings& m = model.sim.settings;
  const auto limits = limits_of(m);
  std::vector<judge::Configuration> out;
  for (const double limit : limits) {
    double each = model.capacity_per_s;
    if (limit != m.cpu_limit) {
      sim::SimModel other = model.sim;
      other.settings.cpu_limit = limit;
      each = replica_capacity(other);
    }
    for (const int n : replicas_of(m.bounds, kMostConfigurations / limits.size())) {
      if (n * limit > m.bounds.cpu_ceiling + 1e-9) continue;
      if (n == 0 && limit != limits.front()) continue;  // none is none, whatever its limit
      out.push_back({n, limit, n * each, n * money_per_s(suite, limit, model.sim.memory_bytes),
                     lead_s(model.sim) * money_per_s(suite, limit, model.sim.memory_bytes)});
    }
  }
  return out;
}

std::vector<Wish> wishes_of(const judge::BoundProblem& problem, const judge::Schedule& schedule,
                            double lead_s) {
  const auto& choice = schedule.choice;
  const auto ahead = static_cast<std::size_t>(std::ceil(lead_s / problem.slot_s));
  std::vector<Wish> out;
  for (std::size_t t = 0; t < choice.size(); ++t) {
    const auto at = [&](std::size_t slot) {
      return problem.configurations[choice[std::min(slot, choice.size() - 1)]];
    };
    Wish wish{static_cast<double>(t) * problem.slot_s, at(t).replicas, at(t).cpu_limit};
    for (std::size_t k = 1; k <= ahead; ++k) {
      wish.replicas = std::max(wish.replicas, at(t + k).replicas);
    }
    if (out.empty() || out.back().replicas != wish.replicas ||
        out.back().cpu_limit != wish.cpu_limit) {
      out.push_back(wish);
    }
  }
  return out;
}

Clairvoyant find_clairvoyant(const Suite& suite, const Demand& demand, int evaluations) {
  SPATE_CHECK(evaluations >= 2, "at least two evaluations");
  Clairvoyant out;
  out.demand = demand.name;
  std::vector<std::vector<Wish>> wishes;
  for (std::size_t i = 0; i < demand.models.size(); ++i) {
    const SuiteModel& model = demand.models[i];
    const double target = model.sim.settings.slo_target;
    const judge::BoundProblem problem = problem_of(suite, demand, model);
    const Demand one = alone(demand, i);
    const double lead = lead_s(model.sim);
    out.slot_s = std::max(out.slot_s, problem.slot_s);
    out.configurations += problem.configurations.size();
    const auto plan = judge::clairvoyant(problem, 1.0 - target);
    out.plan_lower_cost += plan.lower_cost;
    if (plan.schedule) out.plan_cost += plan.schedule->cost;
    const auto found = judge::search_schedule(
        problem, target,
        [&](const judge::Schedule& s) {
          return outcome_of(simulate_all_seeds(suite, one, {wishes_of(problem, s, lead)}));
        },
        evaluations);
    if (!found) {
      out.evaluations += 1;
      out.why = model.sim.settings.name + ": even as much as the bounds allow misses the objective";
      return out;
    }
    out.evaluations += found->evaluations;
    out.headroom = std::max(out.headroom, found->headroom);
    wishes.push_back(wishes_of(problem, found->schedule, lead));
  }
  // Together, as the strategies meet them.
  const auto cells = simulate_all_seeds(suite, demand, wishes);
  out.attainment = outcome_of(cells).attainment;
  const bool meets =
      std::all_of(cells.begin(), cells.end(), [](const Cell& c) { return c.meets(); });
  if (meets) {
    out.cost = outcome_of(cells).cost;
  } else {
    out.why = "the models' schedules together miss the objective";
  }
  return out;
}

}  // namespace spate::suite
