// SPDX-License-Identifier: Apache-2.0
//
// HorizontalPodAutoscaler, autoscaling/v2. Ranges of its fields: pkg/apis/autoscaling/validation
// of Kubernetes v1.37.
#include <algorithm>
#include <cmath>

#include "spate/base/config_error.h"
#include "spate/scaling/manifests/writer.h"

namespace spate::scaling {
namespace {

constexpr std::int64_t kLongestWindow_s = 3600;
constexpr std::int64_t kLongestPeriod_s = 1800;

void write_policy(ManifestWriter& out, int depth, const char* type, const std::string& prefix) {
  const std::int64_t value = out.integer(prefix);
  const std::int64_t period = out.integer(prefix + "_period_s");
  if (value == 0) return;
  out.whole(prefix + "_period_s", static_cast<double>(period), 1, kLongestPeriod_s);
  out.line(depth, "- type: {}", type);
  out.line(depth + 1, "value: {}", value);
  out.line(depth + 1, "periodSeconds: {}", period);
}

void write_direction(ManifestWriter& out, int depth, const char* field, const std::string& side) {
  std::int64_t window = out.integer(side + "_stabilization_s");
  if (window < 0) window = out.integer("downscale_stabilization_s");
  out.whole(side + "_stabilization_s", static_cast<double>(window), 0, kLongestWindow_s);
  const std::string& select = out.text(side + "_select");
  out.line(depth, "{}:", field);
  out.line(depth + 1, "stabilizationWindowSeconds: {}", window);
  out.line(depth + 1, "selectPolicy: {}",
           select == "max"   ? "Max"
           : select == "min" ? "Min"
                             : "Disabled");
  out.line(depth + 1, "policies:");
  write_policy(out, depth + 2, "Pods", side + "_pods");
  write_policy(out, depth + 2, "Percent", side + "_percent");
  const double tolerance = out.number(side + "_tolerance_ratio");
  if (tolerance < 0.0) return;
  out.line(depth + 1, "# needs the feature HPAConfigurableTolerance");
  out.line(depth + 1, "tolerance: \"{}\"", tolerance);
}

void write_flags(ManifestWriter& out) {
  const char* flag = "a flag of kube-controller-manager: --horizontal-pod-autoscaler-";
  out.elsewhere("sync_s", flag + std::string("sync-period"));
  out.elsewhere("tolerance_ratio", flag + std::string("tolerance"));
  out.elsewhere("downscale_stabilization_s", flag + std::string("downscale-stabilization"));
  out.elsewhere("cpu_initialization_s", flag + std::string("cpu-initialization-period"));
  out.elsewhere("initial_readiness_delay_s", flag + std::string("initial-readiness-delay"));
  const char* metrics = "a flag of metrics-server or of the metrics adapter: --metric-resolution";
  out.elsewhere("metrics_resolution_s", metrics);
  out.elsewhere("metrics_delay_s", "what the cluster is like, no setting");
  out.elsewhere("pending_s", "what the cluster is like, no setting");
}

void write_head(ManifestWriter& out, const ManifestModel& model) {
  out.line(0, "apiVersion: autoscaling/v2");
  out.line(0, "kind: HorizontalPodAutoscaler");
  out.line(0, "metadata:");
  out.line(1, "name: {}", yaml_text(model.name));
  out.line(0, "spec:");
  out.line(1, "scaleTargetRef:");
  out.line(2, "apiVersion: apps/v1");
  out.line(2, "kind: Deployment");
  out.line(2, "name: {}", yaml_text(model.name));
  out.line(1, "minReplicas: {}", model.min_replicas);
  out.line(1, "maxReplicas: {}", model.max_replicas);
  out.line(1, "metrics:");
}

}  // namespace

void write_behavior(ManifestWriter& out, int depth) {
  write_flags(out);
  if (!out.boolean("behavior")) return;
  out.line(depth, "behavior:");
  write_direction(out, depth + 1, "scaleUp", "up");
  write_direction(out, depth + 1, "scaleDown", "down");
}

namespace {

// A PromQL duration. Prometheus takes no fractions ("2.5s").
std::string promql_duration(double seconds) {
  const double ms = std::max(1.0, std::round(seconds * 1e3));
  return std::fmod(ms, 1e3) == 0.0 ? fmt::format("{:.0f}s", ms / 1e3) : fmt::format("{:.0f}ms", ms);
}

}  // namespace

std::string manifest_query(ManifestWriter& out, const ManifestModel& model) {
  const std::string& metric = out.text("metric");
  const double window_s = out.number("window_s");
  const std::string label = fmt::format("{{model=\"{}\"}}", model.model);
  // A rate needs two scrapes; twice the scrape interval is the least that has them.
  const auto rate = [&](const char* outcome) {
    return fmt::format("sum(rate(spate_requests_total{{model=\"{}\"{}}}[{}]))", model.model,
                       outcome, promql_duration(window_s > 0.0 ? window_s : 30.0));
  };
  if (metric == "arrival_rate") return rate("");
  if (metric == "completion_rate") return rate(",outcome=\"answered\"");
  std::string now;
  if (metric == "queue_length") now = fmt::format("sum(spate_queue_length{})", label);
  if (metric == "oldest_age") now = fmt::format("max(spate_queue_oldest_age_seconds{})", label);
  if (metric == "concurrency") {
    now = fmt::format("sum(spate_queue_length{0}) + sum(spate_in_flight{0})", label);
  }
  if (now.empty()) {
    out.refuse("metric",
               "a metric that the gateway serves (queue_length, concurrency, arrival_rate, "
               "completion_rate or oldest_age)");
  }
  return window_s > 0.0 ? fmt::format("avg_over_time(({})[{}:5s])", now, promql_duration(window_s))
                        : now;
}

std::string hpa_manifest(const StrategyInfo& strategy, const StrategyOptions& options,
                         const ManifestModel& model) {
  ManifestWriter out(strategy, options, "HorizontalPodAutoscaler");
  const bool by_cpu = strategy.name == "hpa_cpu";
  if (model.min_replicas < 1 && by_cpu) {
    throw ConfigError("min_replicas is 0: a HorizontalPodAutoscaler on CPU keeps at least 1");
  }
  write_head(out, model);
  if (by_cpu) {
    out.line(2, "- type: Resource");
    out.line(3, "resource:");
    out.line(4, "name: cpu");
    out.line(4, "target:");
    out.line(5, "type: Utilization");
    out.line(5, "averageUtilization: {}", out.integer("target_utilization_percent"));
  } else {
    const bool average = out.text("target_type") == "average_value";
    out.line(2, "# A metrics adapter must serve spate_{} as:", out.text("metric"));
    out.line(2, "#   {}", manifest_query(out, model));
    out.line(2, "- type: External");
    out.line(3, "external:");
    out.line(4, "metric:");
    out.line(5, "name: spate_{}", out.text("metric"));
    out.line(5, "selector:");
    out.line(6, "matchLabels:");
    out.line(7, "model: {}", yaml_text(model.model));
    out.line(4, "target:");
    out.line(5, "type: {}", average ? "AverageValue" : "Value");
    // Quantities are kept in thousandths, as the strategy does.
    out.line(5, "{}: {}m", average ? "averageValue" : "value",
             static_cast<std::int64_t>(out.number("target") * 1000.0 + 0.5));
    if (model.min_replicas < 1) {
      out.line(1, "# minReplicas 0 needs the feature HPAScaleToZero");
    }
  }
  write_behavior(out, 1);
  return out.finish();
}

}  // namespace spate::scaling
