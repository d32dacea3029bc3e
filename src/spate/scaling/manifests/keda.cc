// SPDX-License-Identifier: Apache-2.0
//
// ScaledObject, keda.sh/v1alpha1 (KEDA v2.21).
#include "spate/base/config_error.h"
#include "spate/scaling/manifests/writer.h"

namespace spate::scaling {
namespace {

constexpr std::int64_t kMostSeconds = 1'000'000;

void write_executor(ManifestWriter& out, const ManifestModel& model) {
  out.line(1, "pollingInterval: {}", out.whole_seconds("polling_interval_s", 1, kMostSeconds));
  out.line(1, "cooldownPeriod: {}", out.whole_seconds("cooldown_period_s", 0, kMostSeconds));
  out.line(1, "initialCooldownPeriod: {}",
           out.whole_seconds("initial_cooldown_period_s", 0, kMostSeconds));
  const std::int64_t idle = out.integer("idle_replicas");
  if (idle < 0) return;
  if (idle >= model.min_replicas) {
    out.refuse("idle_replicas",
               fmt::format("less than minReplicaCount, which is {}", model.min_replicas));
  }
  // "Only supported value is 0", as its HPA keeps at least one otherwise.
  out.whole("idle_replicas", static_cast<double>(idle), 0, 0);
  out.line(1, "idleReplicaCount: {}", idle);
}

void write_trigger(ManifestWriter& out, const StrategyInfo& strategy, const ManifestModel& model) {
  out.line(1, "triggers:");
  if (strategy.name == "hpa_cpu") {
    out.line(2, "- type: cpu");
    out.line(3, "metricType: Utilization");
    out.line(3, "metadata:");
    out.line(4, "value: \"{}\"", out.integer("target_utilization_percent"));
    return;
  }
  out.line(2, "- type: prometheus");
  out.line(3, "metricType: {}",
           out.text("target_type") == "average_value" ? "AverageValue" : "Value");
  out.line(3, "metadata:");
  out.line(4, "serverAddress: {}", model.prometheus);
  out.line(4, "query: '{}'", manifest_query(out, model));
  out.line(4, "threshold: \"{}\"", out.number("target"));
  if (out.has("activation_target")) {
    out.line(4, "activationThreshold: \"{}\"", out.number("activation_target"));
  }
}

}  // namespace

std::string keda_manifest(const StrategyInfo& strategy, const StrategyOptions& options,
                          const ManifestModel& model) {
  ManifestWriter out(strategy, options, "ScaledObject");
  if (strategy.name != "keda" && model.min_replicas < 1) {
    // KEDA would go to none and back by its activation, which the HPA strategies do not have.
    throw ConfigError(
        fmt::format("min_replicas is 0: {} does not decide as a ScaledObject does there; the "
                    "strategy keda does",
                    strategy.name));
  }
  out.line(0, "apiVersion: keda.sh/v1alpha1");
  out.line(0, "kind: ScaledObject");
  out.line(0, "metadata:");
  out.line(1, "name: {}", yaml_text(model.name));
  out.line(0, "spec:");
  out.line(1, "scaleTargetRef:");
  out.line(2, "name: {}", yaml_text(model.name));
  if (strategy.name == "keda") write_executor(out, model);
  out.line(1, "minReplicaCount: {}", model.min_replicas);
  out.line(1, "maxReplicaCount: {}", model.max_replicas);
  if (options.boolean("behavior")) {
    out.line(1, "advanced:");
    out.line(2, "horizontalPodAutoscalerConfig:");
  }
  write_behavior(out, 3);
  write_trigger(out, strategy, model);
  return out.finish();
}

}  // namespace spate::scaling
