// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/hpa.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace spate::scaling {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// The legacy rules: at most twice the replicas at a time, but four at least.
constexpr double kUpLimitFactor = 2.0;
constexpr double kUpLimitMinimum = 4.0;

void prune(auto& events, TimePoint before) {
  while (!events.empty() && events.front().at < before) events.pop_front();
}

OptionSpec integer(std::string name, std::int64_t otherwise, double low, std::string meaning) {
  return {std::move(name), otherwise, low, 1e6, std::move(meaning)};
}

HpaRules rules(const StrategyOptions& options, const std::string& side) {
  const auto get = [&](const char* what) { return static_cast<int>(options.integer(side + what)); };
  return {.stabilization_s = get("_stabilization_s"),
          .pods = get("_pods"),
          .pods_period_s = get("_pods_period_s"),
          .percent = get("_percent"),
          .percent_period_s = get("_percent_period_s"),
          .select = options.text(side + "_select")};
}

}  // namespace

int hpa_ceil(double x) {
  const double most = std::numeric_limits<std::int32_t>::max();
  return static_cast<int>(std::clamp(std::ceil(x), -most, most));
}

std::vector<OptionSpec> hpa_options() {
  const std::string said = "; only with behavior";
  return {
      {"sync_s", 15.0, 0.1, 3600.0, "seconds between two decisions (the controller's sync period)"},
      {"tolerance_ratio", 0.1, 0.0, 10.0, "usage over target may differ from 1 by so much"},
      integer("downscale_stabilization_s", 300, 0.0,
              "seconds over which the highest recommendation counts on the way down"),
      {"behavior", false, 0, 0, "use the up_ and down_ rules (spec.behavior); else the built-in"},
      integer("up_stabilization_s", 0, 0.0, "the lowest recommendation of so long counts" + said),
      integer("up_pods", 4, 0.0, "replicas that may be added in a period; 0 = no such rule" + said),
      integer("up_pods_period_s", 15, 1.0, "seconds" + said),
      integer("up_percent", 100, 0.0, "the same in percent; 0 = no such rule" + said),
      integer("up_percent_period_s", 15, 1.0, "seconds" + said),
      {"up_select", std::string("max"), 0, 0, "which rule counts: max, min or disabled" + said},
      {"up_tolerance_ratio", -1.0, -1.0, 10.0, "upwards; -1 = tolerance_ratio" + said},
      integer("down_stabilization_s", -1, -1.0, "-1 = downscale_stabilization_s" + said),
      integer("down_pods", 0, 0.0,
              "replicas that may be removed in a period; 0 = no such rule" + said),
      integer("down_pods_period_s", 15, 1.0, "seconds" + said),
      integer("down_percent", 100, 0.0, "the same in percent; 0 = no such rule" + said),
      integer("down_percent_period_s", 15, 1.0, "seconds" + said),
      {"down_select", std::string("max"), 0, 0, "which rule counts: max, min or disabled" + said},
      {"down_tolerance_ratio", -1.0, -1.0, 10.0, "downwards; -1 = tolerance_ratio" + said},
  };
}

HpaSettings hpa_settings(const StrategyOptions& options) {
  HpaSettings out;
  out.behavior = options.boolean("behavior");
  out.downscale_stabilization_s = static_cast<int>(options.integer("downscale_stabilization_s"));
  out.tolerance.up = out.tolerance.down = options.number("tolerance_ratio");
  out.up = rules(options, "up");
  out.down = rules(options, "down");
  if (out.down.stabilization_s < 0) out.down.stabilization_s = out.downscale_stabilization_s;
  if (!out.behavior) return out;
  if (const double t = options.number("up_tolerance_ratio"); t >= 0.0) out.tolerance.up = t;
  if (const double t = options.number("down_tolerance_ratio"); t >= 0.0) out.tolerance.down = t;
  return out;
}

std::string hpa_check(const StrategyOptions& options) {
  for (const char* side : {"up", "down"}) {
    const std::string name = side;
    const std::string& select = options.text(name + "_select");
    if (select != "max" && select != "min" && select != "disabled") {
      return fmt::format("{}_select is \"{}\"; expected max, min or disabled", name, select);
    }
    if (options.integer(name + "_pods") == 0 && options.integer(name + "_percent") == 0) {
      return fmt::format("{0}_pods and {0}_percent are both 0; {0}_select: disabled forbids it",
                         name);
    }
  }
  return "";
}

std::vector<Rule> hpa_rules(std::vector<Rule> own) {
  for (const Rule rule : {Rule::NoData, Rule::Metric, Rule::Stabilised, Rule::RateLimited,
                          Rule::OutsideBounds, Rule::AtZero}) {
    own.push_back(rule);
  }
  return own;
}

void HpaController::Why::stabilised(int replicas) {
  rule = Rule::Stabilised;
  text += fmt::format("; stabilised at {}", replicas);
}

void HpaController::Why::limited(int replicas) {
  rule = Rule::RateLimited;
  text += fmt::format("; limited to {}", replicas);
}

Target HpaController::reconcile(const HpaSettings& settings, TimePoint now, const ModelView& model,
                                bool external, const std::function<HpaProposal()>& propose) {
  const int current = model.wanted_replicas;
  const Bounds& bounds = model.bounds;
  Target target;
  target.replicas = current;
  if (!begun_) recommendations_.push_back({now, current});
  begun_ = true;

  if (current == 0 && !(scaled_to_zero_ && (bounds.min_replicas != 0 || external))) {
    target.rule = Rule::AtZero;
    target.reason = "hold: at zero replicas, where it was not put by this rule";
    return target;
  }
  if (current > bounds.max_replicas) {
    target.replicas = bounds.max_replicas;
    target.rule = Rule::OutsideBounds;
    target.reason = fmt::format("{} replicas are above the most allowed", current);
  } else if (current != 0 && current < bounds.min_replicas) {
    target.replicas = bounds.min_replicas;
    target.rule = Rule::OutsideBounds;
    target.reason = fmt::format("{} replicas are below the least allowed", current);
  } else {
    const HpaProposal proposal = propose();
    if (!proposal.replicas) {
      target.rule = Rule::NoData;
      target.reason = "hold: " + proposal.reason;
      return target;
    }
    Why why;
    target.replicas =
        normalize(settings, now, bounds, current, std::max(*proposal.replicas, 0), why);
    target.rule = why.rule;
    if (current == 0) target.replicas = std::max(target.replicas, bounds.min_replicas);
    target.reason = (target.replicas == current ? "hold: " : "") + proposal.reason + why.text;
  }
  if (target.replicas == current) return target;
  if (settings.behavior) {
    const bool up = target.replicas > current;
    store(up ? ups_ : downs_, up ? settings.up : settings.down, now,
          std::abs(target.replicas - current));
  }
  scaled_to_zero_ = current > 0 && target.replicas == 0 && bounds.min_replicas == 0 && external;
  return target;
}

int HpaController::normalize(const HpaSettings& settings, TimePoint now, const Bounds& bounds,
                             int current, int desired, Why& why) {
  if (settings.behavior) {
    const int stable = stabilize_up_and_down(settings, now, current, desired);
    if (stable != desired) why.stabilised(stable);
    return limit_rate(settings, now, bounds, current, stable, why);
  }
  prune(recommendations_, now - seconds(settings.downscale_stabilization_s));
  int stable = desired;
  for (const auto& seen : recommendations_) stable = std::max(stable, seen.value);
  recommendations_.push_back({now, desired});
  if (stable != desired) why.stabilised(stable);
  const int most = std::min(bounds.max_replicas,
                            static_cast<int>(std::max(kUpLimitFactor * current, kUpLimitMinimum)));
  const int limited = stable < bounds.min_replicas ? bounds.min_replicas : std::min(stable, most);
  if (limited != stable) why.limited(limited);
  return limited;
}

int HpaController::stabilize_up_and_down(const HpaSettings& settings, TimePoint now, int current,
                                         int desired) {
  const TimePoint up_cutoff = now - seconds(settings.up.stabilization_s);
  const TimePoint down_cutoff = now - seconds(settings.down.stabilization_s);
  prune(recommendations_, std::min(up_cutoff, down_cutoff));
  int up = desired;
  int down = desired;
  for (const auto& seen : recommendations_) {
    if (seen.at > up_cutoff) up = std::min(up, seen.value);
    if (seen.at > down_cutoff) down = std::max(down, seen.value);
  }
  int out = current;
  if (out < up) out = up;
  if (out > down) out = down;
  recommendations_.push_back({now, desired});
  return out;
}

int HpaController::change(const std::vector<Stamped>& events, TimePoint now, int period_s) {
  int sum = 0;
  for (const auto& event : events) {
    if (event.at > now - seconds(period_s)) sum += event.value;
  }
  return sum;
}

// The last event that is older than the longest period of its own direction gives way. (It may
// still have counted in a longer period of the other direction; the original forgets it all the
// same.)
void HpaController::store(std::vector<Stamped>& events, const HpaRules& rules, TimePoint now,
                          int value) {
  const int longest_s = std::max(rules.pods > 0 ? rules.pods_period_s : 0,
                                 rules.percent > 0 ? rules.percent_period_s : 0);
  const auto outdated = std::find_if(events.rbegin(), events.rend(), [&](const Stamped& e) {
    return e.at < now - seconds(longest_s);
  });
  if (outdated != events.rend()) {
    *outdated = {now, value};
  } else {
    events.push_back({now, value});
  }
}

int HpaController::period_start(TimePoint now, int current, int period_s) const {
  return current - change(ups_, now, period_s) + change(downs_, now, period_s);
}

int HpaController::limit_rate(const HpaSettings& settings, TimePoint now, const Bounds& bounds,
                              int current, int desired, Why& why) const {
  if (desired == current) return desired;
  const bool up = desired > current;
  const HpaRules& rules = up ? settings.up : settings.down;
  std::vector<int> limits;
  if (rules.pods > 0) {
    const int start = period_start(now, current, rules.pods_period_s);
    limits.push_back(up ? start + rules.pods : start - rules.pods);
  }
  if (rules.percent > 0) {
    const double start = period_start(now, current, rules.percent_period_s);
    const double share = static_cast<double>(rules.percent) / 100.0;
    // Up is rounded up, down is cut off: otherwise one replica would never move.
    limits.push_back(up ? hpa_ceil(start * (1.0 + share))
                        : static_cast<int>(start * (1.0 - share)));
  }
  int limit = current;
  if (rules.select != "disabled" && !limits.empty()) {
    const auto [least, most] = std::minmax_element(limits.begin(), limits.end());
    // "max" is the larger change: the higher limit on the way up, the lower on the way down.
    limit = (rules.select == "max") == up ? *most : *least;
  }
  limit = up ? std::min(bounds.max_replicas, std::max(limit, current))
             : std::max(bounds.min_replicas, std::min(limit, current));
  const int out = up ? std::min(desired, limit) : std::max(desired, limit);
  if (out != desired) why.limited(out);
  return out;
}

json HpaController::to_json() const {
  const auto list = [](const auto& events) {
    json out = json::array();
    for (const auto& e : events) out.push_back({e.at.time_since_epoch().count(), e.value});
    return out;
  };
  return {{"begun", begun_},
          {"scaled_to_zero", scaled_to_zero_},
          {"recommendations", list(recommendations_)},
          {"ups", list(ups_)},
          {"downs", list(downs_)}};
}

HpaController HpaController::from_json(const json& from) {
  const auto list = [](auto& out, const json& events) {
    for (const auto& e : events) {
      out.push_back({TimePoint(Duration(e.at(0).get<std::int64_t>())), e.at(1).get<int>()});
    }
  };
  HpaController out;
  out.begun_ = from.at("begun").get<bool>();
  out.scaled_to_zero_ = from.at("scaled_to_zero").get<bool>();
  list(out.recommendations_, from.at("recommendations"));
  list(out.ups_, from.at("ups"));
  list(out.downs_, from.at("downs"));
  return out;
}

std::string HpaMemory::snapshot() const {
  json out = json::object();
  for (const auto& [model, controller] : controllers_) out[model] = controller.to_json();
  return out.dump();
}

Status HpaMemory::restore(std::string_view snapshot, std::string_view strategy) {
  std::map<std::string, HpaController, std::less<>> read;
  try {
    const json all = json::parse(snapshot);
    if (!all.is_object()) throw std::runtime_error("no object");
    for (const auto& [model, controller] : all.items()) {
      read[model] = HpaController::from_json(controller);
    }
  } catch (const std::exception&) {
    return Error{ErrorCode::InvalidArgument, fmt::format("not a snapshot of {}", strategy)};
  }
  controllers_ = std::move(read);
  return ok();
}

}  // namespace spate::scaling
