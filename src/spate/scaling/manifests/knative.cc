// SPDX-License-Identifier: Apache-2.0
//
// Service, serving.knative.dev/v1, with the annotations autoscaling.knative.dev/*. What Knative
// keeps for a whole cluster (the ConfigMap config-autoscaler) is named in the comments.
#include <algorithm>
#include <utility>

#include "spate/base/config_error.h"
#include "spate/scaling/manifests/writer.h"

namespace spate::scaling {
namespace {

constexpr const char* kPrefix = "autoscaling.knative.dev/";
constexpr double kLeastTarget = 0.01;

void annotate(ManifestWriter& out, const char* name, const std::string& value) {
  out.line(4, "{}{}: \"{}\"", kPrefix, name, value);
}

// Most annotations are a number of the strategy's by another name.
void annotate_number(ManifestWriter& out, const char* annotation, const char* option) {
  annotate(out, annotation, fmt::format("{}", out.value(option)));
}

void annotate_seconds(ManifestWriter& out, const char* annotation, const char* option,
                      std::int64_t low) {
  annotate(out, annotation, fmt::format("{}s", out.whole_seconds(option, low, 3600)));
}

// -1 is what the scenario starts with, where one is given; else Knative's own.
void write_initial_scale(ManifestWriter& out, const ManifestModel& model) {
  double scale = out.value("initial_scale");
  if (scale < 0.0 && !model.replicas) return;
  if (scale < 0.0) scale = *model.replicas;
  if (scale == 0.0)
    out.line(4, "# needs allow-zero-initial-scale in the ConfigMap config-autoscaler");
  annotate(out, "initial-scale", fmt::format("{:g}", scale));
}

// 1 is none.
void write_activation_scale(ManifestWriter& out, const ManifestModel& model) {
  const double scale = out.value("activation_scale");
  if (scale <= 1.0) return;
  annotate(out, "activation-scale",
           std::to_string(out.whole("activation_scale", scale, std::max(2, model.min_replicas),
                                    model.max_replicas)));
}

void write_kpa(ManifestWriter& out, const ManifestModel& model) {
  annotate(out, "class", "kpa.autoscaling.knative.dev");
  annotate(out, "metric", "concurrency");
  if (out.value("target") > 0.0) {  // else Knative's own
    if (out.value("target") < kLeastTarget) {
      out.refuse("target", fmt::format("at least {:g}", kLeastTarget));
    }
    annotate_number(out, "target", "target");
  }
  annotate_number(out, "target-utilization-percentage", "target_utilization_percent");
  annotate_seconds(out, "window", "stable_window_s", 6);
  annotate_number(out, "panic-window-percentage", "panic_window_percent");
  annotate_number(out, "panic-threshold-percentage", "panic_threshold_percent");
  annotate_seconds(out, "scale-down-delay", "scale_down_delay_s", 0);
  write_activation_scale(out, model);
  write_initial_scale(out, model);
  annotate_number(out, "target-burst-capacity", "target_burst_capacity");
  annotate_seconds(out, "scale-to-zero-pod-retention-period", "pod_retention_s", 0);
  annotate(out, "metric-aggregation-algorithm",
           out.text("aggregation") == "linear" ? "linear" : "weighted-exponential");
  const std::pair<const char*, const char*> keys[] = {
      {"max_scale_up_rate", "max-scale-up-rate"},
      {"max_scale_down_rate", "max-scale-down-rate"},
      {"scale_to_zero", "enable-scale-to-zero"},
      {"scale_to_zero_grace_s", "scale-to-zero-grace-period"}};
  for (const auto& [option, key] : keys) {
    out.elsewhere(option, fmt::format("a key of the ConfigMap config-autoscaler: {}", key));
  }
  out.elsewhere("reachable", "what the routes lead to, no setting");
  out.elsewhere("progress_deadline_s",
                "the annotation serving.knative.dev/progress-deadline of the template");
}

void write_cpu(ManifestWriter& out, const StrategyOptions& options) {
  if (options.boolean("behavior")) {
    throw ConfigError("behavior is true: a Knative Service has no field for it");
  }
  annotate(out, "class", "hpa.autoscaling.knative.dev");
  annotate(out, "metric", "cpu");
  annotate(out, "target", std::to_string(out.integer("target_utilization_percent")));
}

}  // namespace

std::string knative_manifest(const StrategyInfo& strategy, const StrategyOptions& options,
                             const ManifestModel& model) {
  ManifestWriter out(strategy, options, "Service");
  const bool by_cpu = strategy.name == "hpa_cpu";
  if (by_cpu && model.min_replicas < 1) {
    throw ConfigError("min_replicas is 0: a Knative Service of the HPA class keeps at least 1");
  }
  out.line(0, "apiVersion: serving.knative.dev/v1");
  out.line(0, "kind: Service");
  out.line(0, "metadata:");
  out.line(1, "name: {}", yaml_text(model.name));
  out.line(0, "spec:");
  out.line(1, "template:");
  out.line(2, "metadata:");
  out.line(3, "annotations:");
  if (by_cpu) {
    write_cpu(out, options);
    write_behavior(out, 4);  // its flags only
  } else {
    write_kpa(out, model);
  }
  annotate(out, "min-scale", std::to_string(model.min_replicas));
  annotate(out, "max-scale", std::to_string(model.max_replicas));
  out.line(2, "spec:");
  if (!by_cpu) {
    out.line(3, "containerConcurrency: {}",
             out.whole("container_concurrency", out.value("container_concurrency"), 0, 1000));
  }
  out.line(3, "containers:");
  out.line(4, "- image: registry.example/model  # yours");
  if (model.cpu_request > 0.0) {
    out.line(5, "resources:");
    out.line(6, "requests:");
    out.line(7, "cpu: {:g}", model.cpu_request);
  }
  return out.finish();
}

}  // namespace spate::scaling
