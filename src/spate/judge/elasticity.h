// SPDX-License-Identifier: Apache-2.0
//
// Elasticity: how closely supply followed demand, by the metrics of SPEC's research group
// (Herbst, Krebs, Oikonomou, Kousiouris, Evangelinou, Iosup, Kounev, "Ready for Rain?", 2016).
// docs/elasticity.md has the formulas, denominators and what of them is a choice of ours.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace spate::judge {

// Demand and supply as step functions on one grid: value i holds over [i, i + 1) * step_s.
// Both in the same unit: requests per second that are offered, and that the ready configuration
// serves within the objective; or replicas needed and ready.
struct ElasticityInput {
  double step_s = 1.0;         // > 0
  std::vector<double> demand;  // >= 0
  std::vector<double> supply;  // as long as demand, >= 0
  // What one replica serves in its initial configuration (1 when the unit is replicas). > 0. Demand
  // below it is taken as it in the denominators of theta; supply is "too much" when a whole
  // unit could be taken away.
  double unit = 1.0;
  // Instability and jitter are counted on bins of this width: at least the start-up time, since
  // what happens within it cannot be followed. Rounded up to whole steps; at least one step.
  double resolution_s = 1.0;
};

struct Elasticity {
  double theta_u_percent = 0.0;  // under-provisioning accuracy, 0 is best, at most 100
  double theta_o_percent = 0.0;  // over-provisioning accuracy, 0 is best
  double tau_u_percent = 0.0;    // share of time with too little
  double tau_o_percent = 0.0;    // share of time with a whole unit too much
  // Share of time in which supply and demand did not move the same way. Unset below two bins.
  std::optional<double> instability_percent;
  // Supply changes less demand changes per hour: below 0 inert, above 0 jittery.
  double jitter_per_h = 0.0;
  double resolution_s = 0.0;  // as used
  double mean_demand = 0.0;
  double mean_supply = 0.0;
};

// Unset when there is no step. Requires what ElasticityInput says.
std::optional<Elasticity> elasticity_of(const ElasticityInput& input);

// How many times better than `baseline` on the geometric mean of theta_U, theta_O, tau_U and
// tau_O with equal weights; above 1 is better. A metric below `floor_percent` counts as that: a
// quotient with 0 says nothing. Requires floor_percent > 0.
double elastic_speedup(const Elasticity& baseline, const Elasticity& of,
                       double floor_percent = 0.1);

// Minkowski distance of (theta_U, theta_O, tau_U, tau_O) from 0, in percent. Requires p >= 1.
double autoscaling_deviation(const Elasticity& of, double p = 4.0);

// --- what users and operators feel -------------------------------------------------------------

struct Attainment {
  double from_s = 0.0;
  double asked = 0.0;
  double ratio = 1.0;  // in time over asked
};
// The window of `window_s` with the smallest ratio, sliding by one bin. `asked` and `in_time` per
// bin of `step_s`. Unset when nothing was asked; a shorter run is one window.
std::optional<Attainment> worst_window(const std::vector<double>& asked,
                                       const std::vector<double>& in_time, double step_s,
                                       double window_s = 60.0);

// Reversals: a change of supply against the direction of the one before it, at most `within_s`
// later. `at_s` rising, `level` what supply became then; the first entry is the start.
std::size_t oscillations(const std::vector<double>& at_s, const std::vector<double>& level,
                         double within_s = 300.0);

// A replica's life: when it was asked for, when it was ready (never: unset), when it was gone or
// told to go (still there at the end: unset).
struct ReplicaLife {
  double started_s = 0.0;
  std::optional<double> ready_s;
  std::optional<double> stopped_s;
};
// Starts that were for nothing: stopped before they were ready, or no later after that than
// they had taken to start.
std::size_t wasted_starts(const std::vector<ReplicaLife>& lives);

// From `from_s` until the first step from which supply is at least demand for the rest up to
// `until_s`. 0: it never fell short. Unset: it was short at the end, or there is no such step.
std::optional<double> supply_recovery_s(const ElasticityInput& input, double from_s,
                                        double until_s);

}  // namespace spate::judge
