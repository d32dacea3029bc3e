// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/bound.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <numeric>

#include "spate/base/check.h"

namespace spate::judge {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

double missed_in(const BoundProblem& problem, std::size_t slot, const Configuration& c) {
  return std::max(0.0, problem.demand_per_s[slot] - c.capacity_per_s) * problem.slot_s;
}

// The cheapest way from the last slot's costs to each number of replicas, for one start cost.
// best[n] and from[n]: min over y of least[y] + start_cost * max(0, n - y), and the y.
struct Arrival {
  std::vector<double> best;
  std::vector<int> from;
};

Arrival arrive(const std::vector<double>& least, double start_cost) {
  const int most = static_cast<int>(least.size());
  Arrival out{std::vector<double>(least.size(), kInfinite), std::vector<int>(least.size(), 0)};
  int from = 0;
  double value = kInfinite;  // of least[y] - start_cost * y over y <= n
  for (int n = 0; n < most; ++n) {
    const auto at = static_cast<std::size_t>(n);
    if (const double here = least[at] - start_cost * n; here < value) {
      value = here;
      from = n;
    }
    out.best[at] = value + start_cost * n;
    out.from[at] = from;
  }
  value = kInfinite;
  for (int n = most - 1; n >= 0; --n) {  // from above: fewer replicas cost nothing
    const auto at = static_cast<std::size_t>(n);
    if (least[at] < value) {
      value = least[at];
      from = n;
    }
    if (value < out.best[at]) {
      out.best[at] = value;
      out.from[at] = from;
    }
  }
  return out;
}

class Programme {
 public:
  Programme(const BoundProblem& problem, double price)
      : problem_(problem), price_(price), configurations_(problem.configurations) {
    SPATE_CHECK(!configurations_.empty() && configurations_.size() <= UINT16_MAX,
                "between one and 65 535 configurations");
    SPATE_CHECK(price >= 0.0 && problem.slot_s > 0.0, "a price of at least 0 and a slot above 0");
    int most = problem.initial_replicas;
    for (const auto& c : configurations_) most = std::max(most, c.replicas);
    least_.assign(static_cast<std::size_t>(most) + 1, kInfinite);
    least_at_.assign(least_.size(), 0);
    least_[static_cast<std::size_t>(problem.initial_replicas)] = 0.0;
  }

  Schedule solve() {
    const std::size_t slots = problem_.demand_per_s.size();
    before_.assign(slots * configurations_.size(), 0);
    for (std::size_t t = 0; t < slots; ++t) step(t);
    return trace_back(slots);
  }

 private:
  void step(std::size_t t) {
    std::map<double, Arrival> arrivals;
    std::vector<double> costs(configurations_.size(), kInfinite);
    for (std::size_t x = 0; x < configurations_.size(); ++x) {
      const Configuration& c = configurations_[x];
      if (t < problem_.start_slots && c.replicas > problem_.initial_replicas) continue;
      auto [known, fresh] = arrivals.try_emplace(c.start_cost);
      if (fresh) known->second = arrive(least_, c.start_cost);
      const auto n = static_cast<std::size_t>(c.replicas);
      costs[x] = known->second.best[n] + c.cost_per_s * problem_.slot_s +
                 price_ * missed_in(problem_, t, c);
      before_[t * configurations_.size() + x] =
          static_cast<std::uint16_t>(least_at_[static_cast<std::size_t>(known->second.from[n])]);
    }
    std::fill(least_.begin(), least_.end(), kInfinite);
    for (std::size_t x = 0; x < configurations_.size(); ++x) {
      const auto n = static_cast<std::size_t>(configurations_[x].replicas);
      if (costs[x] < least_[n]) {
        least_[n] = costs[x];
        least_at_[n] = x;
      }
    }
  }

  Schedule trace_back(std::size_t slots) {
    Schedule out;
    out.choice.resize(slots);
    if (slots == 0) return out;
    const auto best = std::min_element(least_.begin(), least_.end()) - least_.begin();
    SPATE_CHECK(least_[static_cast<std::size_t>(best)] < kInfinite,
                "a configuration with at most the initial replicas while none can be ready");
    std::size_t x = least_at_[static_cast<std::size_t>(best)];
    for (std::size_t t = slots; t-- > 0;) {
      out.choice[t] = x;
      x = before_[t * configurations_.size() + x];
    }
    int replicas = problem_.initial_replicas;
    for (std::size_t t = 0; t < slots; ++t) {
      const Configuration& c = configurations_[out.choice[t]];
      out.cost +=
          c.cost_per_s * problem_.slot_s + c.start_cost * std::max(0, c.replicas - replicas);
      out.missed += missed_in(problem_, t, c);
      replicas = c.replicas;
    }
    return out;
  }

  const BoundProblem& problem_;
  const double price_;
  const std::vector<Configuration>& configurations_;
  std::vector<double> least_;          // cheapest so far, by replicas of the last slot
  std::vector<std::size_t> least_at_;  // by which configuration
  std::vector<std::uint16_t> before_;  // [slot][configuration]: the one before
};

double total_of(const BoundProblem& problem) {
  return std::accumulate(problem.demand_per_s.begin(), problem.demand_per_s.end(), 0.0) *
         problem.slot_s;
}

}  // namespace

Schedule cheapest_schedule(const BoundProblem& problem, double price_per_miss) {
  return Programme(problem, price_per_miss).solve();
}

Clairvoyant clairvoyant(const BoundProblem& problem, double miss_ratio) {
  SPATE_CHECK(miss_ratio >= 0.0 && miss_ratio < 1.0, "a share of misses in [0, 1)");
  const double budget = miss_ratio * total_of(problem);
  const double enough = budget + 1e-9 * (1.0 + budget);
  Clairvoyant out;
  const auto try_price = [&](double price) {
    Schedule s = cheapest_schedule(problem, price);
    const double missed = s.missed;
    out.lower_cost = std::max(out.lower_cost, s.cost + price * (missed - enough));
    if (missed <= enough && (!out.schedule || s.cost < out.schedule->cost)) {
      out.schedule = std::move(s);
    }
    return missed <= enough;
  };
  if (try_price(0.0)) return out;
  // The dearest second of all, for one request: at that price nothing that can be served is missed.
  double high = 0.0;
  for (const auto& c : problem.configurations) {
    high = std::max(high, (c.cost_per_s * problem.slot_s + c.start_cost * c.replicas));
  }
  high = std::max(high, 1e-12) * static_cast<double>(problem.demand_per_s.size() + 1) * 1e6;
  if (!try_price(high)) {
    out.lower_cost = 0.0;  // no schedule keeps the budget: there is nothing to bound
    return out;
  }
  double low = high * 1e-18;
  for (int i = 0; i < 60 && high / low > 1.0 + 1e-6; ++i) {
    const double middle = std::sqrt(low * high);
    (try_price(middle) ? high : low) = middle;
  }
  return out;
}

double least_missed(const FluidProblem& problem, double per_s) {
  SPATE_CHECK(problem.slot_s > 0.0 && problem.deadline_s > 0.0, "a slot and a deadline above 0");
  // One slot more than the deadline takes: a request may come at a slot's very end.
  const auto slack =
      static_cast<std::size_t>(std::ceil(problem.deadline_s / problem.slot_s - 1e-9)) + 1;
  struct Waiting {
    std::size_t slot;
    double requests;
  };
  std::deque<Waiting> queue;
  double missed = 0.0;
  for (std::size_t t = 0; t < problem.requests.size() + slack; ++t) {
    if (t < problem.requests.size()) queue.push_back({t, problem.requests[t]});
    while (!queue.empty() && queue.front().slot + slack < t) {
      missed += queue.front().requests;
      queue.pop_front();
    }
    double left = per_s * problem.slot_s;
    while (left > 0.0 && !queue.empty()) {
      const double served = std::min(left, queue.front().requests);
      queue.front().requests -= served;
      left -= served;
      if (queue.front().requests > 0.0) break;
      queue.pop_front();
    }
  }
  for (const auto& w : queue) missed += w.requests;
  return missed;
}

double fluid_lower_bound(const FluidProblem& problem) {
  SPATE_CHECK(problem.requests_per_money > 0.0 && problem.replica_per_s > 0.0,
              "what money buys and what a replica serves, above 0");
  const double all = std::accumulate(problem.requests.begin(), problem.requests.end(), 0.0);
  const double budget = problem.miss_ratio * all;
  const double length = static_cast<double>(problem.requests.size()) * problem.slot_s;
  // What the smallest configuration's money could buy at best is served for it; the rest is dear.
  const double with_floor = problem.floor_cost_per_s * problem.requests_per_money;
  const double beyond = std::max(0.0, least_missed(problem, with_floor) - budget);
  const double running = length * problem.floor_cost_per_s + beyond / problem.requests_per_money;

  // Some time there must be as much as keeps the budget when it is there all the time.
  double low = 0.0;
  double high = all / problem.slot_s + 1.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (least_missed(problem, middle) <= budget + 1e-9 * (1.0 + budget) ? high : low) = middle;
  }
  const double replicas = std::ceil(low / problem.replica_per_s * (1.0 - 1e-9));
  return running + problem.start_cost * std::max(0.0, replicas - problem.initial_replicas);
}

double regret(double cost, double bound) {
  SPATE_CHECK(bound > 0.0, "a bound above 0");
  return cost / bound - 1.0;
}

}  // namespace spate::judge
