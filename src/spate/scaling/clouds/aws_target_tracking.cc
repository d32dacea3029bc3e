// SPDX-License-Identifier: Apache-2.0
//
// aws_target_tracking: target tracking of AWS Application Auto Scaling (ECS, SageMaker), after its
// documentation; the alarms' datapoint counts and the 90 % are what its alarms show in practice.
//
//   a datapoint m each period
//   out: the last `out_datapoints` all above the target T          n = ceil(base x m / T)
//   in:  the last `in_datapoints` all below in_ratio x T           n = ceil(n x m / T), at least 1
//   after a step outwards no step inwards or outwards within its cooldown, but one outwards that
//   asks for more than that step did (base = the replicas before it, so the step counts);
//   after a step inwards none inwards within its cooldown; a step outwards ends that.
//
// m is CPU use over request (`metric: cpu`), or requests per minute and ready replica
// (`metric: invocations`, SageMaker's SageMakerVariantInvocationsPerInstance).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/scaling/clouds/clouds.h"
#include "spate/scaling/kit/per_model.h"
#include "spate/scaling/kit/readings.h"

namespace spate::scaling {
namespace {

struct AwsMemory {
  std::int64_t above = 0;  // datapoints in a row
  std::int64_t below = 0;
  TimePoint out_at = TimePoint::min();
  TimePoint in_at = TimePoint::min();
  std::int64_t base = 0;  // replicas before the last step outwards

  void save(MemoryWriter& out) const {
    out.put(above);
    out.put(below);
    out.put(out_at);
    out.put(in_at);
    out.put(base);
  }
  static AwsMemory load(MemoryReader& in) {
    AwsMemory out;
    out.above = in.integer();
    out.below = in.integer();
    out.out_at = in.time();
    out.in_at = in.time();
    out.base = in.integer(0, kMostAsked);
    return out;
  }
};

class AwsTargetTracking final : public PerModelStrategy<AwsMemory> {
 public:
  explicit AwsTargetTracking(const StrategyOptions& o)
      : PerModelStrategy("aws_target_tracking"),
        by_cpu_(o.text("metric") == "cpu"),
        target_(by_cpu_ ? o.number("target_cpu_ratio") : o.number("target_per_minute")),
        out_datapoints_(o.integer("out_datapoints")),
        in_datapoints_(o.integer("in_datapoints")),
        in_ratio_(o.number("in_ratio")),
        out_cooldown_(o.seconds("out_cooldown_s")),
        in_cooldown_(o.seconds("in_cooldown_s")) {
    needs_.tick = o.seconds("period_s");
    const Duration sample = std::min<Duration>(needs_.tick, std::chrono::seconds(10));
    needs_.metrics = {{.name = by_cpu_ ? "cpu_over_request" : "arrivals",
                       .signal = by_cpu_ ? Signal::CpuOverRequest : Signal::ArrivalRate,
                       .period = sample,
                       .window = needs_.tick}};
  }

 private:
  static bool within(TimePoint now, TimePoint at, Duration span) {
    return at != TimePoint::min() && now - at < span;
  }

  std::optional<double> datapoint(TimePoint now, const ModelView& model, std::string& why) const {
    const int ready = count_ready(model);
    if (ready == 0) {
      why = "no replica is ready";
      return std::nullopt;
    }
    const auto& spec = needs_.metrics[0];
    if (by_cpu_) {
      const auto sum = ready_cpus(now, model, model.metrics.at(0), spec, why);
      if (!sum) return std::nullopt;
      return *sum / ready;
    }
    const auto rate = usable(now, model.metrics.at(0), spec, why);
    if (!rate) return std::nullopt;
    return *rate * 60.0 / ready;
  }

  Target decide_model(TimePoint now, const ModelView& model, AwsMemory& memory) override {
    std::string why;
    const auto m = datapoint(now, model, why);
    if (!m) return hold(model, Rule::NoData, why);  // missing data changes no alarm
    memory.above = *m > target_ ? memory.above + 1 : 0;
    memory.below = *m < in_ratio_ * target_ ? memory.below + 1 : 0;
    memory.above = std::min(memory.above, out_datapoints_);
    memory.below = std::min(memory.below, in_datapoints_);
    const std::string seen =
        fmt::format("{} {:.2f} against a target of {:.2f}",
                    by_cpu_ ? "CPU over request" : "requests per minute", *m, target_);
    if (memory.above >= out_datapoints_) return scale_out(now, model, memory, *m, seen);
    if (memory.below >= in_datapoints_) return scale_in(now, model, memory, *m, seen);
    return hold(model, Rule::WithinBand,
                fmt::format("{}: {} of {} datapoints above, {} of {} below", seen, memory.above,
                            out_datapoints_, memory.below, in_datapoints_));
  }

  Target scale_out(TimePoint now, const ModelView& model, AwsMemory& memory, double m,
                   const std::string& seen) const {
    const bool cooling = within(now, memory.out_at, out_cooldown_);
    const std::int64_t base = cooling ? memory.base : model.wanted_replicas;
    const int wanted =
        ceil_replicas(static_cast<double>(std::max<std::int64_t>(1, base)) * m / target_);
    if (wanted <= model.wanted_replicas) {
      return hold(model, cooling ? Rule::Cooldown : Rule::WithinBand,
                  seen + (cooling ? ": in cooldown" : ": enough replicas"));
    }
    if (!cooling) memory.base = model.wanted_replicas;
    memory.out_at = now;
    memory.in_at = TimePoint::min();
    Target target;
    target.replicas = wanted;
    target.rule = Rule::AboveTarget;
    target.reason = fmt::format("{} for {} periods", seen, out_datapoints_);
    return target;
  }

  Target scale_in(TimePoint now, const ModelView& model, AwsMemory& memory, double m,
                  const std::string& seen) const {
    if (within(now, memory.out_at, out_cooldown_) || within(now, memory.in_at, in_cooldown_)) {
      return hold(model, Rule::Cooldown, seen + ": in cooldown");
    }
    const int wanted = std::max(1, ceil_replicas(model.wanted_replicas * m / target_));
    if (wanted >= model.wanted_replicas)
      return hold(model, Rule::WithinBand, seen + ": no replica to spare");
    memory.in_at = now;
    Target target;
    target.replicas = wanted;
    target.rule = Rule::BelowTarget;
    target.reason = fmt::format("{} for {} periods", seen, in_datapoints_);
    return target;
  }

  const bool by_cpu_;
  const double target_;
  const std::int64_t out_datapoints_;
  const std::int64_t in_datapoints_;
  const double in_ratio_;
  const Duration out_cooldown_;
  const Duration in_cooldown_;
};

std::string check(const StrategyOptions& o) {
  const std::string& metric = o.text("metric");
  if (metric != "cpu" && metric != "invocations") {
    return "metric must be cpu or invocations, not \"" + metric + "\"";
  }
  if (metric == "invocations" && o.number("target_per_minute") <= 0.0) {
    return "metric invocations needs target_per_minute above 0 (AWS advises half of what an "
           "instance can serve, times 60)";
  }
  return "";
}

}  // namespace

StrategyInfo aws_target_tracking_strategy() {
  StrategyInfo info;
  info.name = "aws_target_tracking";
  info.summary = "Scales in proportion to a metric over its target, by alarms and cooldowns.";
  info.source =
      "AWS Application Auto Scaling's documentation of target tracking; alarm datapoints (3 and "
      "15) "
      "and 90 % as its alarms are commonly made, not verified";
  info.options = {
      {"metric", std::string("cpu"), 0, 0, "cpu (use over request) or invocations (per minute)"},
      {"target_cpu_ratio", 0.7, 0.01, 10.0, "target of metric cpu"},
      {"target_per_minute", 0.0, 0.0, 1e9, "target of metric invocations, per ready replica"},
      {"period_s", 60.0, 1.0, 3600.0, "seconds between two datapoints"},
      {"out_datapoints", std::int64_t{3}, 1, 1000, "datapoints above the target before a step out"},
      {"in_datapoints", std::int64_t{15}, 1, 1000, "datapoints below before a step in"},
      {"in_ratio", 0.9, 0.01, 1.0, "below is below this share of the target"},
      {"out_cooldown_s", 300.0, 0.0, 86400.0, "seconds after a step outwards"},
      {"in_cooldown_s", 300.0, 0.0, 86400.0, "seconds after a step inwards"}};
  info.make = [](const StrategyOptions& o) { return std::make_unique<AwsTargetTracking>(o); };
  info.check = check;
  info.rules = {Rule::NoData, Rule::AboveTarget, Rule::BelowTarget, Rule::WithinBand,
                Rule::Cooldown};
  return info;
}

void add_clouds(StrategyRegistry& registry) { registry.add(aws_target_tracking_strategy()); }

}  // namespace spate::scaling
