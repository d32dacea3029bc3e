// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/threshold.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "spate/scaling/limits.h"

namespace spate::scaling {
namespace {

constexpr double kAbsurdRatio = 100.0;
// Two CPU limits that differ by less are the same (0.3 + 0.3 + 0.3 against 0.9).
constexpr double kCpuSlack = 1e-6;

enum class Axis { Replicas, Cpu };

class Threshold final : public Strategy {
 public:
  Threshold(Axis axis, const StrategyOptions& options)
      : axis_(axis),
        high_(options.number("high_ratio")),
        low_(options.number("low_ratio")),
        window_(options.seconds("window_s")),
        sample_(options.seconds("sample_s")),
        wait_for_ready_(options.boolean("wait_for_ready")) {
    if (axis_ == Axis::Replicas) {
      step_replicas_ = static_cast<int>(options.integer("step_replicas"));
    } else {
      step_cpus_ = options.number("step_cpus");
    }
    needs_.tick = options.seconds("tick_s");
    needs_.metrics = {{.name = "cpu_over_limit",
                       .signal = Signal::CpuOverLimit,
                       .period = sample_,
                       .window = window_}};
  }

  std::string_view name() const override {
    return axis_ == Axis::Replicas ? "horizontal" : "vertical";
  }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    std::vector<Target> out;
    for (const auto& model : seen.models) out.push_back(decide(seen.now, model));
    return out;
  }

  std::string snapshot() const override {
    nlohmann::json out = nlohmann::json::object();
    for (const auto& [model, at] : stepped_at_) out[model] = at.time_since_epoch().count();
    return out.dump();
  }

  Status restore(std::string_view snapshot) override {
    const auto json = nlohmann::json::parse(snapshot, nullptr, false);
    const Error bad{ErrorCode::InvalidArgument, "not a snapshot of a threshold strategy"};
    if (!json.is_object()) return bad;
    std::map<std::string, TimePoint, std::less<>> read;
    for (const auto& [model, at] : json.items()) {
      if (!at.is_number_integer()) return bad;
      read[model] = TimePoint(Duration(at.get<std::int64_t>()));
    }
    stepped_at_ = std::move(read);
    return ok();
  }

 private:
  static Target hold(const ModelView& model, Rule rule, std::string why) {
    Target target;
    target.rule = rule;
    target.replicas = model.wanted_replicas;
    target.reason = "hold: " + std::move(why);
    return target;
  }

  Target decide(TimePoint now, const ModelView& model) {
    std::string why;
    Rule rule = Rule::NoData;
    const std::optional<double> u = fresh_mean(now, model, rule, why);
    if (!u) return hold(model, rule, why);
    const auto said = [&](const char* relation, double edge) {
      return fmt::format("CPU {:.2f} of limit over {:g} s is {} {:.2f}", *u, to_seconds(window_),
                         relation, edge);
    };
    if (*u >= high_) return step(now, model, +1, said("at or above", high_));
    if (*u <= low_) return step(now, model, -1, said("at or below", low_));
    return hold(model, Rule::WithinBand,
                fmt::format("CPU {:.2f} of limit over {:g} s is between {:.2f} and {:.2f}", *u,
                            to_seconds(window_), low_, high_));
  }

  // The mean over the ready replicas, when all have a whole fresh window; else why not. `rule` is
  // left as it is, or Settling.
  std::optional<double> fresh_mean(TimePoint now, const ModelView& model, Rule& rule,
                                   std::string& why) const {
    const auto stepped = stepped_at_.find(model.model);
    // Before the first step everything is fresh.
    TimePoint fresh_from = stepped == stepped_at_.end() ? TimePoint::min() : stepped->second;
    double sum = 0.0;
    int ready = 0;
    const MetricView& metric = model.metrics.at(0);
    for (const auto& replica : model.replicas) {
      if (replica.state == ReplicaState::Starting && wait_for_ready_) {
        rule = Rule::Settling;
        why = "waiting for a replica that starts";
        return std::nullopt;
      }
      if (replica.state != ReplicaState::Ready) continue;
      if (wait_for_ready_) fresh_from = std::max(fresh_from, replica.state_since);
      const auto reading = std::find_if(metric.replicas.begin(), metric.replicas.end(),
                                        [&](const auto& r) { return r.replica == replica.id; });
      if (reading == metric.replicas.end()) {
        why = "no CPU reading of " + replica.id;
        return std::nullopt;
      }
      if (!usable(now, *reading, why)) return std::nullopt;
      sum += reading->value;
      ++ready;
    }
    if (ready == 0) {
      why = "no replica is ready";
      return std::nullopt;
    }
    // Half a sampling period of slack: readings and ticks come a little late, unevenly.
    if (fresh_from != TimePoint::min() && now - fresh_from < window_ - sample_ / 2) {
      rule = Rule::Settling;
      why = fmt::format("{:.1f} s of a fresh window of {:g} s since the last change",
                        std::max(0.0, to_seconds(now - fresh_from)), to_seconds(window_));
      return std::nullopt;
    }
    return sum / ready;
  }

  bool usable(TimePoint now, const ReplicaReading& reading, std::string& why) const {
    if (!std::isfinite(reading.value) || reading.value < 0.0 || reading.value > kAbsurdRatio) {
      why = fmt::format("absurd CPU reading {} of {}", reading.value, reading.replica);
      return false;
    }
    if (reading.newest + 2 * sample_ < now) {
      why = fmt::format("the newest CPU reading of {} is {:.1f} s old", reading.replica,
                        to_seconds(now - reading.newest));
      return false;
    }
    if (reading.covered < window_ - sample_ / 2) {
      why = fmt::format("CPU readings of {} cover {:.1f} s of {:g} s", reading.replica,
                        to_seconds(reading.covered), to_seconds(window_));
      return false;
    }
    return true;
  }

  Target step(TimePoint now, const ModelView& model, int direction, const std::string& reason) {
    Target target;
    target.replicas = model.wanted_replicas;
    target.rule = direction > 0 ? Rule::AboveTarget : Rule::BelowTarget;
    target.reason = reason;
    if (axis_ == Axis::Replicas) {
      const int wanted = model.wanted_replicas + direction * step_replicas_;
      target.replicas = std::clamp(wanted, model.bounds.min_replicas,
                                   most_replicas(model.bounds, model.cpu_limit));
      if (target.replicas * direction <= model.wanted_replicas * direction) {
        return hold(model, Rule::AtBound,
                    fmt::format("{}, but {} replicas is the {} allowed", reason,
                                model.wanted_replicas, direction > 0 ? "most" : "least"));
      }
    } else {
      const double step = step_cpus_ > 0.0 ? step_cpus_ : model.initial_cpu_limit;
      const double cpu = std::clamp(model.cpu_limit + direction * step, model.bounds.min_cpu,
                                    most_cpu(model.bounds, model.wanted_replicas));
      if (direction * (cpu - model.cpu_limit) <= kCpuSlack) {
        return hold(model, Rule::AtBound,
                    fmt::format("{}, but {:g} CPU is the {} allowed", reason, model.cpu_limit,
                                direction > 0 ? "most" : "least"));
      }
      target.cpu_limit = cpu;
    }
    stepped_at_[model.model] = now;
    return target;
  }

  const Axis axis_;
  const double high_;
  const double low_;
  const Duration window_;
  const Duration sample_;
  const bool wait_for_ready_;
  int step_replicas_ = 1;
  double step_cpus_ = 0.0;
  Needs needs_;
  std::map<std::string, TimePoint, std::less<>> stepped_at_;  // by model
};

StrategyInfo threshold_info(Axis axis) {
  StrategyInfo info;
  info.rules = {Rule::NoData,      Rule::Settling, Rule::AboveTarget,
                Rule::BelowTarget, Rule::AtBound,  Rule::WithinBand};
  info.source = "the original experiment's scaling script: 5 readings of 1 s, 80 % and 35 %";
  info.options = {
      {"high_ratio", 0.80, 0.01, 10.0, "CPU use over limit at or above which it steps up"},
      {"low_ratio", 0.35, 0.0, 10.0, "CPU use over limit at or below which it steps down"},
      {"window_s", 5.0, 0.1, 3600.0, "seconds over which CPU use is averaged"},
      {"sample_s", 1.0, 0.05, 60.0, "seconds between two readings"},
      {"tick_s", 1.0, 0.05, 60.0, "seconds between two decisions"},
      {"wait_for_ready", true, 0, 0,
       "after a step, count readings only once the replicas it started are ready"},
  };
  if (axis == Axis::Replicas) {
    info.name = "horizontal";
    info.summary = "Adds or removes replicas when CPU use as a share of the limit leaves a band.";
    info.options.push_back({"step_replicas", std::int64_t{1}, 1, 1000, "replicas in one step"});
  } else {
    info.name = "vertical";
    info.summary =
        "Raises or lowers the CPU limit of the replicas when CPU use as a share of the limit "
        "leaves a band.";
    info.options.push_back(
        {"step_cpus", 0.0, 0.0, 64.0,
         "CPUs in one step; 0 = the CPU limit a replica of the scenario starts with"});
  }
  info.make = [axis](const StrategyOptions& options) {
    return std::make_unique<Threshold>(axis, options);
  };
  info.check = [](const StrategyOptions& options) -> std::string {
    if (options.number("low_ratio") >= options.number("high_ratio")) {
      return "low_ratio must be below high_ratio";
    }
    if (options.number("window_s") < options.number("sample_s")) {
      return "window_s must be at least sample_s";
    }
    return "";
  };
  return info;
}

}  // namespace

StrategyInfo horizontal_strategy() { return threshold_info(Axis::Replicas); }
StrategyInfo vertical_strategy() { return threshold_info(Axis::Cpu); }

}  // namespace spate::scaling
