// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/league.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "spate/judge/bound.h"
#include "spate/sim/fluid_demand.h"

namespace spate::suite {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
constexpr double kSecondsPerHour = 3600.0;
constexpr double kWishedHalfWidth = 0.02;  // of a cost's interval, as a share of the mean

// Requests expected in each slot; with mmpp arrivals given what the seed's environment does.
std::vector<double> requests_of(const sim::SimModel& model, double duration_s, double slot_s,
                                std::uint64_t seed) {
  sim::FluidDemand demand(model.settings.name, model.profile, model.arrivals, 0.0, 0.0, seed, 0);
  std::vector<double> out;
  for (double t = 0.0; t < duration_s; t += slot_s) {
    out.push_back(demand.until(std::min(duration_s, t + slot_s)));
  }
  return out;
}

double worst_attainment(const Cell& cell) {
  double worst = 1.0;
  for (const auto& m : cell.models) worst = std::min(worst, m.attainment);
  return worst;
}

double misses_beyond_budget(const Cell& cell) {
  double beyond = 0.0;
  for (const auto& m : cell.models) {
    beyond += std::max(0.0, m.asked * m.slo_target - m.in_time);
  }
  return beyond;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double v : values) sum += v;
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

void add_elasticity(judge::Elasticity& to, const judge::Elasticity& from, double weight) {
  to.theta_u_percent += weight * from.theta_u_percent;
  to.theta_o_percent += weight * from.theta_o_percent;
  to.tau_u_percent += weight * from.tau_u_percent;
  to.tau_o_percent += weight * from.tau_o_percent;
  to.instability_percent =
      to.instability_percent.value_or(0.0) + weight * from.instability_percent.value_or(0.0);
  to.jitter_per_h += weight * from.jitter_per_h;
}

Entry entry_of(const Suite& suite, const std::vector<const Cell*>& cells,
               const DemandBound& bound) {
  Entry out;
  out.demand = cells.front()->demand;
  out.strategy = cells.front()->strategy;
  out.runs = cells.size();
  for (const Cell* cell : cells) out.runs_unready += cell->played() ? 0 : 1;
  // What never began cost nothing and served nobody: no mean may hold it.
  if (out.runs_unready > 0) return out;
  std::vector<double> attainments;
  std::vector<double> costs;
  double good = 0.0;
  const auto n = static_cast<double>(cells.size());
  for (const Cell* cell : cells) {
    out.runs_that_meet += cell->meets() ? 1 : 0;
    attainments.push_back(worst_attainment(*cell));
    costs.push_back(cell->cost());
    good += cell->in_time();
    out.score += cell_score(suite, *cell, bound) / n;
    const double weight = 1.0 / (n * static_cast<double>(cell->models.size()));
    for (const auto& m : cell->models) {
      out.p99_ms = std::max(out.p99_ms, m.p99_ms);
      out.worst_minute = std::min(out.worst_minute, m.worst_minute);
      out.starts += static_cast<double>(m.starts) / n;
      out.wasted_starts += static_cast<double>(m.wasted_starts) / n;
      out.oscillations += static_cast<double>(m.oscillations) / n;
      add_elasticity(out.elasticity, m.elasticity, weight);
    }
  }
  out.attainment = judge::bootstrap_mean(attainments);
  out.cost = judge::bootstrap_mean(costs);
  out.regret = judge::regret(out.cost.mean, bound.lower_cost);
  if (out.cost.mean > 0.0) {
    out.seeds_needed = judge::runs_needed(costs, kWishedHalfWidth * out.cost.mean);
  }
  out.cost_per_1000_good = good > 0.0 ? 1000.0 * out.cost.mean * n / good : 0.0;
  return out;
}

bool sees_schedule(const Suite& suite, const std::string& label) {
  return std::any_of(suite.strategies.begin(), suite.strategies.end(),
                     [&](const auto& s) { return s.label == label && s.sees_schedule; });
}

// Marks what no other beats in both: cost low, attainment high.
template <class Item, class Cost, class Good>
void mark_front(std::vector<Item*>& items, Cost cost, Good good) {
  for (Item* a : items) {
    a->on_front = std::none_of(items.begin(), items.end(), [&](const Item* b) {
      const bool no_worse = cost(*b) <= cost(*a) && good(*b) >= good(*a);
      return b != a && no_worse && (cost(*b) < cost(*a) || good(*b) > good(*a));
    });
  }
}

// How many blocks would tell each pair of the order apart.
std::vector<std::vector<std::optional<std::size_t>>> needed(
    const std::vector<judge::Contender>& contenders, const judge::Ranking& ranking) {
  std::map<std::string, const std::vector<double>*> scores;
  for (const auto& c : contenders) scores[c.name] = &c.scores;
  std::vector<std::vector<std::optional<std::size_t>>> out(ranking.order.size());
  const std::size_t comparisons = contenders.size() * (contenders.size() - 1) / 2;
  for (std::size_t i = 0; i < ranking.order.size(); ++i) {
    for (std::size_t j = i + 1; j < ranking.order.size(); ++j) {
      const auto& a = *scores.at(ranking.order[i].name);
      const auto& b = *scores.at(ranking.order[j].name);
      std::vector<double> differences;
      for (std::size_t k = 0; k < a.size(); ++k) differences.push_back(b[k] - a[k]);
      out[i].push_back(judge::pairs_needed(differences, mean_of(differences), comparisons));
    }
  }
  return out;
}

// The cheapest that is known to meet the objective, and what each entry costs beyond it.
void close_bracket(const std::vector<Clairvoyant>& clairvoyants, DemandBound& bound,
                   std::vector<Entry>& entries, const std::string& demand) {
  for (const auto& c : clairvoyants) {
    if (c.demand != demand) continue;
    bound.clairvoyant = c;
    bound.upper_cost = c.cost;
    if (c.cost) bound.upper_by = "clairvoyant";
  }
  for (const auto& e : entries) {
    if (e.runs_unready > 0 || e.runs_that_meet < e.runs ||
        (bound.upper_cost && *bound.upper_cost <= e.cost.mean))
      continue;
    bound.upper_cost = e.cost.mean;
    bound.upper_by = e.strategy;
  }
  if (!bound.upper_cost || *bound.upper_cost <= 0.0) return;
  for (auto& e : entries) {
    if (e.runs_unready > 0) continue;
    e.regret_upper = judge::regret(e.cost.mean, *bound.upper_cost);
  }
}

void set_aside(const std::string& strategy, League& league) {
  Unranked out{.strategy = strategy, .runs_unready = 0, .runs = 0, .demands = {}};
  for (const auto& e : league.entries) {
    if (e.strategy != strategy) continue;
    out.runs += e.runs;
    out.runs_unready += e.runs_unready;
    if (e.runs_unready > 0) out.demands.push_back(e.demand);
  }
  if (out.runs_unready > 0) league.unranked.push_back(std::move(out));
}

void stand(const Suite& suite, League& league) {
  std::vector<judge::Contender> contenders;
  for (const auto& s : suite.strategies) {
    const std::size_t before = league.unranked.size();
    set_aside(s.label, league);
    if (league.unranked.size() == before) contenders.push_back({s.label, {}});
  }
  for (const auto& d : suite.demands) {
    for (auto& c : contenders) {
      for (const auto& e : league.entries) {
        // Logarithms: a demand counts by proportion, not by how dear it is.
        if (e.demand == d.name && e.strategy == c.name) c.scores.push_back(std::log(e.score));
      }
    }
  }
  league.ranking = judge::rank(contenders, true);
  league.demands_needed = needed(contenders, league.ranking);
  for (const auto& r : league.ranking.order) {
    Standing s;
    s.strategy = r.name;
    s.sees_schedule = sees_schedule(suite, r.name);
    s.rank = r.rank;
    s.tied = r.tied;
    s.score = {std::exp(r.score.mean), std::exp(r.score.low), std::exp(r.score.high),
               r.score.confidence};
    std::vector<double> attained;
    std::vector<double> relative;
    std::vector<double> over_best;
    std::vector<double> speedups;
    for (const auto& e : league.entries) {
      if (e.strategy != r.name) continue;
      s.demands_met += e.runs_that_meet == e.runs ? 1 : 0;
      attained.push_back(e.attainment.mean);
      relative.push_back(std::log(e.regret + 1.0));
      if (e.regret_upper && *e.regret_upper > -1.0) {
        over_best.push_back(std::log(*e.regret_upper + 1.0));
      }
      for (const auto& base : league.entries) {
        if (base.demand != e.demand || base.strategy != "none" || base.runs_unready > 0) continue;
        speedups.push_back(std::log(judge::elastic_speedup(base.elasticity, e.elasticity)));
      }
    }
    s.attainment = mean_of(attained);
    s.relative_cost = std::exp(mean_of(relative));
    if (!over_best.empty()) s.relative_to_best = std::exp(mean_of(over_best));
    if (!speedups.empty()) s.elastic_speedup = std::exp(mean_of(speedups));
    league.standings.push_back(std::move(s));
  }
  std::vector<Standing*> all;
  for (auto& s : league.standings) {
    if (!s.sees_schedule) all.push_back(&s);
  }
  mark_front(
      all, [](const Standing& s) { return s.relative_cost; },
      [](const Standing& s) { return s.attainment; });
}

}  // namespace

DemandBound bound_of(const Suite& suite, const Demand& demand) {
  DemandBound out;
  double requests = 0.0;
  double dearest = 0.0;
  for (const auto& m : demand.models) {
    const auto& settings = m.sim.settings;
    const double cpu = suite.prices.cpu_per_hour / kSecondsPerHour;
    const double memory =
        m.sim.memory_bytes / kGib * suite.prices.memory_gib_per_hour / kSecondsPerHour;
    double cpu_per_request = 0.0;
    for (const auto& e : m.sim.service.entries) {
      const double each = e.law.mean_ns() / 1e9 / e.batch;
      cpu_per_request = cpu_per_request == 0.0 ? each : std::min(cpu_per_request, each);
    }
    // A replica's memory is shared by the more CPU the larger it is.
    const double per_cpu_s = cpu + memory / settings.bounds.max_cpu;
    judge::FluidProblem problem;
    problem.slot_s = std::max(1.0, std::floor(demand.duration_s / 100'000.0));
    problem.deadline_s = settings.slo_latency_s;
    problem.miss_ratio = 1.0 - settings.slo_target;
    problem.requests_per_money = 1.0 / (cpu_per_request * per_cpu_s);
    problem.floor_cost_per_s =
        settings.bounds.min_replicas * (settings.bounds.min_cpu * cpu + memory);
    problem.replica_per_s = settings.bounds.max_cpu / cpu_per_request;
    // The warm-up may have started as many as there can be: no start is charged.
    problem.initial_replicas = settings.bounds.max_replicas;
    // Every seed has surges of its own, and so a bound; without any, one seed's is all seeds'.
    const bool mmpp = m.sim.arrivals.kind == influx::ArrivalOptions::Kind::Mmpp;
    const std::size_t seeds = mmpp ? suite.seeds.size() : 1;
    for (std::size_t i = 0; i < seeds; ++i) {
      problem.requests = requests_of(m.sim, demand.duration_s, problem.slot_s, suite.seeds[i]);
      out.lower_cost += judge::fluid_lower_bound(problem) / static_cast<double>(seeds);
    }
    requests += m.sim.profile->total();
    dearest += m.sim.profile->total() / problem.requests_per_money;
  }
  out.per_request = requests > 0.0 ? dearest / requests : 0.0;
  return out;
}

double cell_score(const Suite& suite, const Cell& cell, const DemandBound& bound) {
  const double fine = misses_beyond_budget(cell) * suite.miss_price * bound.per_request;
  return (cell.cost() + fine) / bound.lower_cost;
}

League judge_suite(const Suite& suite, const std::vector<Cell>& cells,
                   const std::vector<Clairvoyant>& clairvoyants) {
  League out;
  for (const auto& demand : suite.demands) {
    out.bounds.push_back(bound_of(suite, demand));
    std::vector<Entry> entries;
    for (const auto& strategy : suite.strategies) {
      std::vector<const Cell*> of;
      for (const auto& c : cells) {
        if (c.demand == demand.name && c.strategy == strategy.label) of.push_back(&c);
      }
      if (!of.empty()) entries.push_back(entry_of(suite, of, out.bounds.back()));
    }
    close_bracket(clairvoyants, out.bounds.back(), entries, demand.name);
    std::vector<Entry*> all;
    for (auto& e : entries) {
      if (!sees_schedule(suite, e.strategy) && e.runs_unready == 0) all.push_back(&e);
    }
    mark_front(
        all, [](const Entry& e) { return e.cost.mean; },
        [](const Entry& e) { return e.attainment.mean; });
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.runs_unready > 0, a.score) < std::pair(b.runs_unready > 0, b.score);
    });
    out.entries.insert(out.entries.end(), entries.begin(), entries.end());
  }
  stand(suite, out);
  return out;
}

}  // namespace spate::suite
