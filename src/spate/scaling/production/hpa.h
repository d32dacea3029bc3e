// SPDX-License-Identifier: Apache-2.0
//
// What the Kubernetes HorizontalPodAutoscaler does with a proposal (v1.37.2,
// pkg/controller/podautoscaler/horizontal.go): stabilisation over recent recommendations, then the
// rate limits, then the bounds; and what happens at zero replicas. hpa_cpu, hpa_external and keda
// are this plus a way to make the proposal.
//
// Threads: one at a time. Memory: recommendations and scale events of the longest window.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/clock.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {

// The usage ratio at which nothing is done, in both directions.
struct HpaTolerance {
  double down = 0.1;
  double up = 0.1;
  bool within(double ratio) const { return 1.0 - down <= ratio && ratio <= 1.0 + up; }
};

// `behavior.scaleUp` or `scaleDown`: at most one policy in pods and one in percent.
struct HpaRules {
  int stabilization_s = 0;
  int pods = 0;  // in pods_period_s; 0 = no such policy
  int pods_period_s = 15;
  int percent = 0;  // in percent_period_s; 0 = no such policy
  int percent_period_s = 15;
  std::string select = "max";  // "max" | "min" | "disabled"
};

struct HpaSettings {
  bool behavior = false;            // false: the rules of an HPA without `behavior`
  int downscale_stabilization_s{};  // of the controller; the default of behavior.scaleDown
  HpaTolerance tolerance{};
  HpaRules up{};
  HpaRules down{};
};

// The options shared by all autoscalers built on the HPA, and what they say.
std::vector<OptionSpec> hpa_options();
HpaSettings hpa_settings(const StrategyOptions& options);
std::string hpa_check(const StrategyOptions& options);
// Those that HpaController's decisions name, besides `own`.
std::vector<Rule> hpa_rules(std::vector<Rule> own = {});

// A proposal, or why there is none ("hold: " is put before it).
struct HpaProposal {
  std::optional<int> replicas{};
  std::string reason{};
};

// The controller's memory and rules for one model.
class HpaController {
 public:
  // What `settings` says about a reconciliation at `now`. `propose` is asked only if a metric
  // would be. `external`: the HPA has an Object or External metric, which may scale to zero.
  Target reconcile(const HpaSettings& settings, TimePoint now, const ModelView& model,
                   bool external, const std::function<HpaProposal()>& propose);

  nlohmann::json to_json() const;
  // Throws what nlohmann::json throws when `from` is none of ours.
  static HpaController from_json(const nlohmann::json& from);

 private:
  struct Stamped {
    TimePoint at{};
    int value = 0;
  };
  // What became of a proposal.
  struct Why {
    Rule rule = Rule::Metric;
    std::string text{};  // "" when nothing did

    void stabilised(int replicas);
    void limited(int replicas);
  };

  int normalize(const HpaSettings& settings, TimePoint now, const Bounds& bounds, int current,
                int desired, Why& why);
  int stabilize_up_and_down(const HpaSettings& settings, TimePoint now, int current, int desired);
  int limit_rate(const HpaSettings& settings, TimePoint now, const Bounds& bounds, int current,
                 int desired, Why& why) const;
  static int change(const std::vector<Stamped>& events, TimePoint now, int period_s);
  static void store(std::vector<Stamped>& events, const HpaRules& rules, TimePoint now, int value);
  int period_start(TimePoint now, int current, int period_s) const;

  bool begun_ = false;
  bool scaled_to_zero_ = false;  // the ScaledToZero condition
  std::deque<Stamped> recommendations_;
  // Not in order of time: an event takes the place of an outdated one.
  std::vector<Stamped> ups_;
  std::vector<Stamped> downs_;
};

// HpaControllers by model, with the Strategy's snapshot and restore.
class HpaMemory {
 public:
  HpaController& of(const std::string& model) { return controllers_[model]; }
  std::string snapshot() const;
  Status restore(std::string_view snapshot, std::string_view strategy);

 private:
  std::map<std::string, HpaController, std::less<>> controllers_;
};

// int32(ceil(x)), as Go does it for x within the range; clamped to what an int32 holds.
int hpa_ceil(double x);

}  // namespace spate::scaling
