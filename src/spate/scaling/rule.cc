// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/rule.h"

#include <algorithm>

#include "spate/base/check.h"

namespace spate::scaling {
namespace {

struct Named {
  Rule rule;
  std::string_view name;
};

constexpr Named kNames[] = {
    {Rule::Unnamed, "unnamed"},
    {Rule::Unusable, "unusable"},
    {Rule::NoData, "no_data"},
    {Rule::NotDue, "not_due"},
    {Rule::Fixed, "fixed"},
    {Rule::Script, "script"},
    {Rule::Schedule, "schedule"},
    {Rule::Program, "program"},
    {Rule::Misbehaved, "misbehaved"},
    {Rule::AboveTarget, "above_target"},
    {Rule::BelowTarget, "below_target"},
    {Rule::WithinBand, "within_band"},
    {Rule::Settling, "settling"},
    {Rule::AtBound, "at_bound"},
    {Rule::Cooldown, "cooldown"},
    {Rule::Metric, "metric"},
    {Rule::Stabilised, "stabilised"},
    {Rule::RateLimited, "rate_limited"},
    {Rule::OutsideBounds, "outside_bounds"},
    {Rule::AtZero, "at_zero"},
    {Rule::Activated, "activated"},
    {Rule::Deactivated, "deactivated"},
    {Rule::TriggerActive, "trigger_active"},
    {Rule::Inactive, "inactive"},
    {Rule::StableWindow, "stable_window"},
    {Rule::PanicWindow, "panic_window"},
    {Rule::InitialScale, "initial_scale"},
    {Rule::Activating, "activating"},
    {Rule::StartTimedOut, "start_timed_out"},
    {Rule::Idle, "idle"},
    {Rule::ToZero, "to_zero"},
    {Rule::FromZero, "from_zero"},
    {Rule::Ongoing, "ongoing"},
    {Rule::Delay, "delay"},
    {Rule::Load, "load"},
    {Rule::PeakHold, "peak_hold"},
    {Rule::Bridge, "bridge"},
    {Rule::Forecast, "forecast"},
    {Rule::Spare, "spare"},
    {Rule::Gap, "gap"},
    {Rule::Regression, "regression"},
    {Rule::Learned, "learned"},
    {Rule::Distrusted, "distrusted"},
    {Rule::LinearFit, "linear_fit"},
    {Rule::Autoregression, "autoregression"},
    {Rule::Smoothing, "smoothing"},
};

}  // namespace

std::string_view to_string(Rule rule) {
  const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                   [&](const Named& named) { return named.rule == rule; });
  SPATE_CHECK(found != std::end(kNames), "a rule has a name");
  return found->name;
}

const std::vector<Rule>& all_rules() {
  static const std::vector<Rule> all = [] {
    std::vector<Rule> out;
    for (const Named& named : kNames) out.push_back(named.rule);
    return out;
  }();
  return all;
}

}  // namespace spate::scaling
