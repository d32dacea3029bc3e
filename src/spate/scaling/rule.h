// SPDX-License-Identifier: Apache-2.0
//
// Rule: which of a strategy's rules made a decision. A closed set, so that it can label a metric;
// the decision's reason says the same with its numbers. Which of them a strategy has stands in its
// StrategyInfo; docs/metrics.md says what each means.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace spate::scaling {

enum class Rule : std::uint8_t {
  Unnamed,        // a strategy that names none
  Unusable,       // of the autoscaler: the decision could not be used and was held
  NoData,         // something needed is missing, stale, absurd or not yet learned: held
  NotDue,         // between two decisions of its own period: held
  Fixed,          // it never scales
  Script,         // a step of the script
  Schedule,       // what the demand's schedule says
  Program,        // the external program's decision
  Misbehaved,     // the external program misbehaved: its last decision was held
  AboveTarget,    // a reading above what is aimed at
  BelowTarget,    // a reading below what is aimed at
  WithinBand,     // a reading that asks for no change
  Settling,       // a fresh window or a starting replica is waited for: held
  AtBound,        // the bounds allow no more, or no fewer
  Cooldown,       // within its own cooldown: held
  Metric,         // HPA: the metric's proposal
  Stabilised,     // HPA: a stabilisation window's recommendation instead of it
  RateLimited,    // HPA: what its rate or its bounds allow of it
  OutsideBounds,  // more or fewer exist than the bounds allow
  AtZero,         // HPA: at zero replicas, where it was not put by this rule: held
  Activated,      // KEDA: from none, as the trigger is active
  Deactivated,    // KEDA: to none, as the cooldown is over
  TriggerActive,  // KEDA: the trigger is active: held
  Inactive,       // KEDA: the trigger is inactive: held
  StableWindow,   // Knative: the stable window's want
  PanicWindow,    // Knative: the want in panic mode
  InitialScale,   // Knative: the initial scale was not reached yet
  Activating,     // Knative: no want, and not active yet: held
  StartTimedOut,  // Knative: the start failed
  Idle,           // Knative: no want, on the way to zero
  ToZero,         // Knative: the last replica goes
  FromZero,       // Ray Serve: requests, and no replica runs
  Ongoing,        // Ray Serve: the want has lasted for its delay
  Delay,          // Ray Serve: the want has not lasted for its delay: held
  Load,           // sized from arrivals, queue and what a request costs
  PeakHold,       // the most needed in the scale-in window
  Bridge,         // more CPU for the ready ones while replicas start
  Forecast,       // sized from the forecast
  Spare,          // the load leaves no more than the spare replicas: held
  Gap,            // the accumulated gap
  Regression,     // the polynomial through the last samples
  Learned,        // what this hour needed before
  Distrusted,     // the load and some more, as what was learned was too low
  LinearFit,
  Autoregression,
  Smoothing,
};

// "no_data", "above_target", …: lower case, words joined by underscores.
std::string_view to_string(Rule rule);
// All there are, in their order.
const std::vector<Rule>& all_rules();

}  // namespace spate::scaling
