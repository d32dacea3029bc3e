// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/keda.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "spate/scaling/production/hpa_external.h"

namespace spate::scaling {
namespace {

using nlohmann::json;

// What the ScaledObject remembers.
struct Memory {
  TimePoint created{};
  std::optional<TimePoint> last_active{};
  HpaController hpa{};
};

class Keda final : public Strategy {
 public:
  explicit Keda(const StrategyOptions& options)
      : settings_(hpa_settings(options)),
        sync_(options.seconds("sync_s")),
        polling_(options.seconds("polling_interval_s")),
        // The trigger is asked when it is needed, not scraped.
        tick_(std::gcd(sync_.count(), polling_.count())),
        external_(hpa_external(options, tick_)),
        cooldown_(options.seconds("cooldown_period_s")),
        initial_cooldown_(options.seconds("initial_cooldown_period_s")),
        activation_milli_(options.number("activation_target") * 1000.0),
        idle_(static_cast<int>(options.integer("idle_replicas"))) {
    needs_.tick = tick_;
    needs_.metrics = {external_.metric};
  }

  std::string_view name() const override { return "keda"; }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    std::vector<Target> out;
    for (const auto& model : seen.models) out.push_back(decide(seen.now, model));
    return out;
  }

  std::string snapshot() const override {
    json out = json::object();
    for (const auto& [model, memory] : memory_) {
      json& m = out[model];
      m["created"] = memory.created.time_since_epoch().count();
      if (memory.last_active) m["last_active"] = memory.last_active->time_since_epoch().count();
      m["hpa"] = memory.hpa.to_json();
    }
    return out.dump();
  }

  Status restore(std::string_view snapshot) override {
    std::map<std::string, Memory, std::less<>> read;
    try {
      const auto time = [](const json& j) { return TimePoint(Duration(j.get<std::int64_t>())); };
      const json all = json::parse(snapshot);
      if (!all.is_object()) throw std::runtime_error("no object");
      for (const auto& [model, m] : all.items()) {
        Memory& memory = read[model];
        memory.created = time(m.at("created"));
        if (m.contains("last_active")) memory.last_active = time(m.at("last_active"));
        memory.hpa = HpaController::from_json(m.at("hpa"));
      }
    } catch (const std::exception&) {
      return Error{ErrorCode::InvalidArgument, "not a snapshot of keda"};
    }
    memory_ = std::move(read);
    return ok();
  }

 private:
  // Whether a point of the grid from `created` with this period lies in the tick that ends now.
  bool due(TimePoint now, const Memory& memory, Duration period) const {
    return (now - memory.created) / period > (now - needs_.tick - memory.created) / period;
  }

  Target decide(TimePoint now, const ModelView& model) {
    const auto [it, first] = memory_.try_emplace(model.model);
    Memory& memory = it->second;
    if (first) memory.created = now - needs_.tick;
    Target target;
    target.replicas = model.wanted_replicas;
    target.rule = Rule::NotDue;
    target.reason = "hold: between two decisions";
    if (due(now, memory, polling_)) target = poll(now, model, memory);
    if (!due(now, memory, sync_)) return target;
    ModelView seen = model;
    seen.wanted_replicas = target.replicas;
    seen.bounds.min_replicas = std::max(1, model.bounds.min_replicas);
    seen.bounds.max_replicas = std::max(seen.bounds.min_replicas, model.bounds.max_replicas);
    const bool polled = target.replicas != model.wanted_replicas;
    Target hpa = memory.hpa.reconcile(settings_, now, seen, true, [&] {
      return hpa_external_proposal(external_, settings_.tolerance, seen, model.metrics.at(0));
    });
    return polled && hpa.replicas == target.replicas ? target : hpa;
  }

  // The executor: from none, to none, or up to the least.
  Target poll(TimePoint now, const ModelView& model, Memory& memory) const {
    const int current = model.wanted_replicas;
    const int least = model.bounds.min_replicas;
    Target target;
    target.replicas = current;
    const auto milli = hpa_external_milli(model.metrics.at(0));
    if (!milli) {
      target.rule = Rule::NoData;
      target.reason = "hold: the trigger has no reading";
      return target;
    }
    const double value = static_cast<double>(*milli) / 1000.0;
    if (static_cast<double>(*milli) > activation_milli_) {
      memory.last_active = now;
      target.rule = Rule::TriggerActive;
      target.reason = fmt::format("hold: the trigger is active at {:g}", value);
      if (current == 0 || (idle_ >= 0 && current < least)) {
        target.replicas = std::max(1, least);
        target.rule = Rule::Activated;
        target.reason = fmt::format("activated: the trigger is at {:g}", value);
      }
      return target;
    }
    const bool may_go = (idle_ >= 0 && current > idle_) || (current > 0 && least == 0);
    if (may_go) return cool_down(now, current, value, memory);
    target.rule = Rule::Inactive;
    target.reason = fmt::format("hold: the trigger is inactive at {:g}", value);
    if (idle_ < 0 && current < least) {
      target.replicas = least;
      target.rule = Rule::OutsideBounds;
      target.reason = "fewer replicas than the least allowed";
    }
    return target;
  }

  Target cool_down(TimePoint now, int current, double value, const Memory& memory) const {
    const TimePoint until =
        memory.last_active ? *memory.last_active + cooldown_ : memory.created + initial_cooldown_;
    Target target;
    if (until < now) {
      target.replicas = std::max(0, idle_);
      target.rule = Rule::Deactivated;
      target.reason =
          fmt::format("deactivated: the trigger is at {:g} and the cooldown is over", value);
    } else {
      target.replicas = current;
      target.rule = Rule::Cooldown;
      target.reason = fmt::format("hold: the trigger is inactive, cooling down for {:.0f} s more",
                                  to_seconds(until - now));
    }
    return target;
  }

  const HpaSettings settings_;
  const Duration sync_;
  const Duration polling_;
  const Duration tick_;
  const HpaExternal external_;
  const Duration cooldown_;
  const Duration initial_cooldown_;
  const double activation_milli_;
  const int idle_;
  Needs needs_;
  std::map<std::string, Memory, std::less<>> memory_;  // by model
};

}  // namespace

StrategyInfo keda_strategy() {
  StrategyInfo info;
  info.name = "keda";
  info.summary =
      "KEDA: from none to one and back by activation, between by an HPA, on the backlog.";
  info.source = "KEDA v2.21.0 pkg/scaling/executor and apis/keda/v1alpha1; Kubernetes v1.37.2";
  info.options = hpa_external_options("concurrency", 20.0);
  const std::vector<OptionSpec> own = {
      {"polling_interval_s", 30.0, 0.1, 3600.0, "seconds between two looks whether it is active"},
      {"cooldown_period_s", 300.0, 0.0, 86'400.0, "seconds from the last activity to none"},
      {"initial_cooldown_period_s", 0.0, 0.0, 86'400.0, "the same before there was any activity"},
      {"activation_target", 0.0, 0.0, 1e9, "active above this value"},
      {"idle_replicas", std::int64_t{-1}, -1, 1000, "replicas while inactive; -1 = min_replicas"},
  };
  info.options.insert(info.options.end(), own.begin(), own.end());
  for (auto& option : hpa_options()) info.options.push_back(std::move(option));
  info.make = [](const StrategyOptions& options) { return std::make_unique<Keda>(options); };
  info.rules = hpa_rules({Rule::NotDue, Rule::TriggerActive, Rule::Activated, Rule::Inactive,
                          Rule::Deactivated, Rule::Cooldown});
  info.check = [](const StrategyOptions& options) -> std::string {
    // A decision every tick of their common measure must stay affordable.
    const auto tick =
        std::gcd(options.seconds("sync_s").count(), options.seconds("polling_interval_s").count());
    if (Duration(tick) < std::chrono::milliseconds(50)) {
      return "sync_s and polling_interval_s need a common measure of at least 0.05 s";
    }
    return hpa_external_check(options);
  };
  return info;
}

}  // namespace spate::scaling
