// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/elasticity.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "spate/base/check.h"

namespace spate::judge {
namespace {

// Rounding must not make "exactly enough" into "too little".
constexpr double kSlack = 1e-9;

int sign(double x) { return x > kSlack ? 1 : (x < -kSlack ? -1 : 0); }

// Demand and supply on the grid of `steps` steps a bin: the mean demand in whole units, the supply
// at the bin's end.
struct Coarse {
  std::vector<double> demand;
  std::vector<double> supply;
};

Coarse coarsen(const ElasticityInput& input, std::size_t steps) {
  Coarse out;
  for (std::size_t at = 0; at + steps <= input.demand.size(); at += steps) {
    double sum = 0.0;
    for (std::size_t i = at; i < at + steps; ++i) sum += input.demand[i];
    const double units = sum / static_cast<double>(steps) / input.unit;
    out.demand.push_back(std::ceil(units - kSlack));
    out.supply.push_back(input.supply[at + steps - 1] / input.unit);
  }
  return out;
}

void count_moves(const Coarse& bins, double bin_s, Elasticity& out) {
  if (bins.demand.size() < 2) return;
  std::size_t apart = 0;
  int supply_moves = 0;
  int demand_moves = 0;
  for (std::size_t i = 1; i < bins.demand.size(); ++i) {
    const int demand = sign(bins.demand[i] - bins.demand[i - 1]);
    const int supply = sign(bins.supply[i] - bins.supply[i - 1]);
    apart += demand != supply ? 1 : 0;
    supply_moves += supply != 0 ? 1 : 0;
    demand_moves += demand != 0 ? 1 : 0;
  }
  const auto pairs = static_cast<double>(bins.demand.size() - 1);
  out.instability_percent = 100.0 * static_cast<double>(apart) / pairs;
  out.jitter_per_h =
      (supply_moves - demand_moves) * 3600.0 / (static_cast<double>(bins.demand.size()) * bin_s);
}

}  // namespace

std::optional<Elasticity> elasticity_of(const ElasticityInput& input) {
  SPATE_CHECK(input.demand.size() == input.supply.size(), "one supply per demand");
  SPATE_CHECK(input.step_s > 0.0 && input.unit > 0.0, "a step and a unit above 0");
  if (input.demand.empty()) return std::nullopt;
  Elasticity out;
  const auto n = static_cast<double>(input.demand.size());
  for (std::size_t i = 0; i < input.demand.size(); ++i) {
    const double demand = input.demand[i];
    const double supply = input.supply[i];
    const double short_by = std::max(0.0, demand - supply);
    const double over_by = std::max(0.0, supply - demand);
    const double base = std::max(demand, input.unit);
    out.theta_u_percent += 100.0 * short_by / base / n;
    out.theta_o_percent += 100.0 * over_by / base / n;
    if (short_by > kSlack * base) out.tau_u_percent += 100.0 / n;
    if (over_by >= input.unit * (1.0 - kSlack)) out.tau_o_percent += 100.0 / n;
    out.mean_demand += demand / n;
    out.mean_supply += supply / n;
  }
  const auto steps = static_cast<std::size_t>(
      std::max(1.0, std::ceil(input.resolution_s / input.step_s - kSlack)));
  out.resolution_s = static_cast<double>(steps) * input.step_s;
  count_moves(coarsen(input, steps), out.resolution_s, out);
  return out;
}

double elastic_speedup(const Elasticity& baseline, const Elasticity& of, double floor_percent) {
  SPATE_CHECK(floor_percent > 0.0, "a floor above 0");
  const auto quotient = [&](double base, double mine) {
    return std::max(base, floor_percent) / std::max(mine, floor_percent);
  };
  return std::pow(quotient(baseline.theta_u_percent, of.theta_u_percent) *
                      quotient(baseline.theta_o_percent, of.theta_o_percent) *
                      quotient(baseline.tau_u_percent, of.tau_u_percent) *
                      quotient(baseline.tau_o_percent, of.tau_o_percent),
                  0.25);
}

double autoscaling_deviation(const Elasticity& of, double p) {
  SPATE_CHECK(p >= 1.0, "a norm of at least 1");
  double sum = 0.0;
  for (const double x :
       std::array{of.theta_u_percent, of.theta_o_percent, of.tau_u_percent, of.tau_o_percent}) {
    sum += std::pow(x, p);
  }
  return std::pow(sum, 1.0 / p);
}

std::optional<Attainment> worst_window(const std::vector<double>& asked,
                                       const std::vector<double>& in_time, double step_s,
                                       double window_s) {
  SPATE_CHECK(asked.size() == in_time.size() && step_s > 0.0, "equal bins");
  const auto width = std::min(
      asked.size(), static_cast<std::size_t>(std::max(1.0, std::round(window_s / step_s))));
  std::optional<Attainment> worst;
  double asked_sum = 0.0;
  double good_sum = 0.0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    asked_sum += asked[i];
    good_sum += in_time[i];
    if (i >= width) {
      asked_sum -= asked[i - width];
      good_sum -= in_time[i - width];
    }
    if (i + 1 < width || asked_sum < 0.5) continue;
    const double ratio = good_sum / asked_sum;
    if (!worst || ratio < worst->ratio - kSlack) {
      worst = Attainment{static_cast<double>(i + 1 - width) * step_s, asked_sum, ratio};
    }
  }
  return worst;
}

std::size_t oscillations(const std::vector<double>& at_s, const std::vector<double>& level,
                         double within_s) {
  SPATE_CHECK(at_s.size() == level.size(), "one level per time");
  std::size_t count = 0;
  int before = 0;
  double before_at = 0.0;
  for (std::size_t i = 1; i < level.size(); ++i) {
    const int now = sign(level[i] - level[i - 1]);
    if (now == 0) continue;
    if (before == -now && at_s[i] - before_at <= within_s) ++count;
    before = now;
    before_at = at_s[i];
  }
  return count;
}

std::size_t wasted_starts(const std::vector<ReplicaLife>& lives) {
  return static_cast<std::size_t>(
      std::count_if(lives.begin(), lives.end(), [](const ReplicaLife& life) {
        if (!life.stopped_s) return false;
        if (!life.ready_s || *life.stopped_s <= *life.ready_s) return true;
        return *life.stopped_s - *life.ready_s <= *life.ready_s - life.started_s;
      }));
}

std::optional<double> supply_recovery_s(const ElasticityInput& input, double from_s,
                                        double until_s) {
  SPATE_CHECK(input.demand.size() == input.supply.size() && input.step_s > 0.0, "equal steps");
  const auto first = static_cast<std::size_t>(std::max(0.0, std::floor(from_s / input.step_s)));
  const auto end =
      std::min(input.demand.size(),
               static_cast<std::size_t>(std::max(0.0, std::ceil(until_s / input.step_s))));
  if (first >= end) return std::nullopt;
  std::size_t enough_from = end;
  while (enough_from > first &&
         input.supply[enough_from - 1] >= input.demand[enough_from - 1] * (1.0 - kSlack)) {
    --enough_from;
  }
  if (enough_from == end) return std::nullopt;
  return std::max(0.0, static_cast<double>(enough_from) * input.step_s - from_s);
}

}  // namespace spate::judge
