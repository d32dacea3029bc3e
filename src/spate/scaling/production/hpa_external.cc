// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/production/hpa_external.h"

#include <fmt/format.h>

#include <cmath>

namespace spate::scaling {
namespace {

constexpr double kAbsurd = 1e12;

class HpaExternalStrategy final : public Strategy {
 public:
  explicit HpaExternalStrategy(const StrategyOptions& options)
      : settings_(hpa_settings(options)),
        external_(hpa_external(options, options.seconds("metrics_resolution_s"))) {
    needs_.tick = options.seconds("sync_s");
    needs_.metrics = {external_.metric};
  }

  std::string_view name() const override { return "hpa_external"; }
  const Needs& needs() const override { return needs_; }

  std::vector<Target> decide(const Observation& seen) override {
    std::vector<Target> out;
    for (const auto& model : seen.models) {
      out.push_back(memory_.of(model.model).reconcile(settings_, seen.now, model, true, [&] {
        return hpa_external_proposal(external_, settings_.tolerance, model, model.metrics.at(0));
      }));
    }
    return out;
  }

  std::string snapshot() const override { return memory_.snapshot(); }
  Status restore(std::string_view snapshot) override { return memory_.restore(snapshot, name()); }

 private:
  const HpaSettings settings_;
  const HpaExternal external_;
  Needs needs_;
  HpaMemory memory_;
};

}  // namespace

std::vector<OptionSpec> hpa_external_options(const char* metric, double target) {
  return {
      {"metric", std::string(metric), 0, 0,
       "queue_length, concurrency, arrival_rate, completion_rate, oldest_age or service_time"},
      {"window_s", 0.0, 0.0, 3600.0, "seconds over which it is averaged; 0 = the last reading"},
      {"target", target, 1e-3, 1e9, "aimed at: per replica, or in all"},
      {"target_type", std::string("average_value"), 0, 0,
       "average_value (per replica) or value (in all)"},
      {"metrics_delay_s", 0.0, 0.0, 600.0, "seconds until a reading is known"},
  };
}

HpaExternal hpa_external(const StrategyOptions& options, Duration period) {
  HpaExternal out;
  const Duration window = options.seconds("window_s");
  out.metric = {.name = options.text("metric"),
                .signal = *signal_from_string(options.text("metric")),
                .period = period,
                .window = std::max(window, 2 * period),
                .delay = options.seconds("metrics_delay_s"),
                .aggregate = window > Duration{0} ? Aggregate::Mean : Aggregate::Last};
  if (window > Duration{0}) out.metric.window = std::max(window, period);
  out.target_milli = std::llround(options.number("target") * 1000.0);
  out.average_value = options.text("target_type") == "average_value";
  return out;
}

std::string hpa_external_check(const StrategyOptions& options) {
  const auto signal = signal_from_string(options.text("metric"));
  if (!signal || is_per_replica(*signal) || *signal == Signal::LatencyQuantile) {
    return fmt::format(
        "metric is \"{}\"; expected queue_length, concurrency, arrival_rate, completion_rate, "
        "rejection_rate, oldest_age or service_time",
        options.text("metric"));
  }
  const std::string& type = options.text("target_type");
  if (type != "average_value" && type != "value") {
    return fmt::format("target_type is \"{}\"; expected average_value or value", type);
  }
  return hpa_check(options);
}

std::optional<std::int64_t> hpa_external_milli(const MetricView& metric) {
  if (!metric.value || !std::isfinite(*metric.value)) return std::nullopt;
  if (*metric.value < 0.0 || *metric.value > kAbsurd) return std::nullopt;
  if (!metric.last_read || metric.newest != *metric.last_read) return std::nullopt;
  // A quantity is rounded up to thousandths; the slack is for 0.1 + 0.2.
  return static_cast<std::int64_t>(std::ceil(*metric.value * 1000.0 - 1e-6));
}

HpaProposal hpa_external_proposal(const HpaExternal& external, const HpaTolerance& tolerance,
                                  const ModelView& model, const MetricView& metric) {
  const auto milli = hpa_external_milli(metric);
  if (!milli) return {.replicas = {}, .reason = "no reading of " + external.metric.name};
  const auto usage = static_cast<double>(*milli);
  const auto target = static_cast<double>(external.target_milli);
  int existing = 0;
  int ready = 0;
  int pods = 0;
  for (const auto& replica : model.replicas) {
    if (replica.state == ReplicaState::Parked) continue;
    ++pods;
    // A draining one is deleted, but ready until it ends.
    if (replica.state != ReplicaState::Starting) ++ready;
    if (replica.state != ReplicaState::Draining) ++existing;
  }
  HpaProposal out;
  if (external.average_value) {
    out.reason = fmt::format("{} {:g}, target {:g} for each of {}", external.metric.name,
                             usage / 1000.0, target / 1000.0, existing);
    const double ratio = usage / (target * existing);
    out.replicas = tolerance.within(ratio) ? existing : hpa_ceil(usage / target);
    return out;
  }
  const double ratio = usage / target;
  out.reason = fmt::format("{} {:g}, target {:g}, {} ready", external.metric.name, usage / 1000.0,
                           target / 1000.0, ready);
  if (model.wanted_replicas == 0) {
    out.replicas = hpa_ceil(ratio);
  } else if (tolerance.within(ratio)) {
    out.replicas = model.wanted_replicas;
  } else if (pods == 0) {
    return {.replicas = {}, .reason = "no replica exists"};
  } else {
    out.replicas = hpa_ceil(ratio * ready);
  }
  return out;
}

StrategyInfo hpa_external_strategy() {
  StrategyInfo info;
  info.name = "hpa_external";
  info.summary = "Kubernetes' HPA on an External metric of the model, such as its queue.";
  info.source = "Kubernetes v1.37.2 pkg/controller/podautoscaler and its defaults";
  info.options = hpa_external_options("queue_length", 10.0);
  info.options.push_back(
      {"metrics_resolution_s", 15.0, 0.1, 600.0, "seconds between two readings of the metric"});
  for (auto& option : hpa_options()) info.options.push_back(std::move(option));
  info.make = [](const StrategyOptions& options) {
    return std::make_unique<HpaExternalStrategy>(options);
  };
  info.check = hpa_external_check;
  info.rules = hpa_rules();
  return info;
}

}  // namespace spate::scaling
