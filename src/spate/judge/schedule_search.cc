// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "spate/base/check.h"
#include "spate/judge/bound.h"

namespace spate::judge {
namespace {

constexpr double kLeastHeadroom = 0.5;
constexpr double kMostHeadroom = 4.0;
constexpr int kBisections = 10;  // headroom to 0.3 %; fewer of a small budget

BoundProblem scaled(BoundProblem problem, double headroom) {
  for (double& d : problem.demand_per_s) d *= headroom;
  return problem;
}

void recount(const BoundProblem& problem, Schedule& schedule) {
  schedule.cost = 0.0;
  schedule.missed = 0.0;
  int replicas = problem.initial_replicas;
  for (std::size_t t = 0; t < schedule.choice.size(); ++t) {
    const Configuration& c = problem.configurations[schedule.choice[t]];
    schedule.cost +=
        c.cost_per_s * problem.slot_s + c.start_cost * std::max(0, c.replicas - replicas);
    schedule.missed += std::max(0.0, problem.demand_per_s[t] - c.capacity_per_s) * problem.slot_s;
    replicas = c.replicas;
  }
}

// The dearest configuration that is cheaper than `of`; `of` itself when there is none.
std::size_t next_cheaper(const BoundProblem& problem, std::size_t of) {
  std::size_t best = of;
  for (std::size_t i = 0; i < problem.configurations.size(); ++i) {
    const double cost = problem.configurations[i].cost_per_s;
    if (cost >= problem.configurations[of].cost_per_s - 1e-15) continue;
    if (best == of || cost > problem.configurations[best].cost_per_s) best = i;
  }
  return best;
}

struct Stretch {
  std::size_t from;
  std::size_t until;
  double saving;
};

// Stretches of equal choice, those first whose lowering saves most.
std::vector<Stretch> stretches(const BoundProblem& problem, const Schedule& schedule) {
  std::vector<Stretch> out;
  for (std::size_t t = 0; t < schedule.choice.size();) {
    std::size_t end = t;
    while (end < schedule.choice.size() && schedule.choice[end] == schedule.choice[t]) ++end;
    Schedule lower = schedule;
    std::fill(lower.choice.begin() + static_cast<std::ptrdiff_t>(t),
              lower.choice.begin() + static_cast<std::ptrdiff_t>(end),
              next_cheaper(problem, schedule.choice[t]));
    recount(problem, lower);
    if (lower.cost < schedule.cost) out.push_back({t, end, schedule.cost - lower.cost});
    t = end;
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Stretch& a, const Stretch& b) { return a.saving > b.saving; });
  return out;
}

}  // namespace

std::optional<Feasible> search_schedule(const BoundProblem& problem, double target,
                                        const std::function<Outcome(const Schedule&)>& evaluate,
                                        int most_evaluations) {
  SPATE_CHECK(most_evaluations > 0, "at least one evaluation");
  std::optional<Feasible> best;
  int evaluations = 0;
  const auto attempt = [&](Schedule schedule, double headroom) {
    recount(problem, schedule);
    const Outcome outcome = evaluate(schedule);
    ++evaluations;
    if (outcome.attainment < target) return false;
    if (!best || outcome.cost < best->outcome.cost) {
      best = Feasible{std::move(schedule), outcome, headroom, 0};
    }
    return true;
  };
  const auto plan = [&](double headroom) {
    const BoundProblem harder = scaled(problem, headroom);
    const auto answer = clairvoyant(harder, 0.0);
    // Where nothing can serve all of it, as much as can be had.
    return answer.schedule ? *answer.schedule : cheapest_schedule(harder, 1e9);
  };
  double low = kLeastHeadroom;
  double high = kMostHeadroom;
  const int bisections = std::clamp(2 * (most_evaluations - 1) / 3, 1, kBisections);
  if (!attempt(plan(high), high)) return std::nullopt;
  for (int i = 0; i < bisections && evaluations < most_evaluations; ++i) {
    const double middle = std::sqrt(low * high);
    (attempt(plan(middle), middle) ? high : low) = middle;
  }
  // Lowers the stretch that saves most; what failed once is not tried again.
  std::vector<std::pair<std::size_t, std::size_t>> failed;
  while (evaluations < most_evaluations) {
    bool tried = false;
    for (const Stretch& s : stretches(problem, best->schedule)) {
      const std::pair<std::size_t, std::size_t> key{s.from, s.until};
      if (std::find(failed.begin(), failed.end(), key) != failed.end()) continue;
      Schedule lower = best->schedule;
      std::fill(lower.choice.begin() + static_cast<std::ptrdiff_t>(s.from),
                lower.choice.begin() + static_cast<std::ptrdiff_t>(s.until),
                next_cheaper(problem, lower.choice[s.from]));
      tried = true;
      const double before = best->outcome.cost;
      if (!attempt(std::move(lower), best->headroom) || best->outcome.cost >= before) {
        failed.push_back(key);
      }
      break;
    }
    if (!tried) break;
  }
  best->evaluations = evaluations;
  return best;
}

}  // namespace spate::judge
