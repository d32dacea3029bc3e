// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/config_error.h"
#include "spate/scaling/manifests/manifest.h"

namespace spate::scaling {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const ManifestModel kModel{.name = "resnet50",
                           .min_replicas = 1,
                           .max_replicas = 8,
                           .cpu_request = 0.3,
                           .prometheus = "http://prometheus:9090"};

std::string written(ManifestKind kind, const std::string& strategy, const std::string& options,
                    const ManifestModel& model = kModel) {
  const auto registry = builtin_strategies();
  const StrategyInfo& info = registry.find(strategy, "test");
  return write_manifest(
      kind, info, StrategyRegistry::read_options(info, ConfigReader::from_text(options, "test")),
      model);
}

// Without the comment that says where it comes from.
std::string body(const std::string& text) { return text.substr(text.find('\n') + 1); }

std::string refusal(ManifestKind kind, const std::string& strategy, const std::string& options,
                    const ManifestModel& model = kModel) {
  try {
    return "written: " + written(kind, strategy, options, model);
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(Manifest, HpaOnCpuWithBehavior) {
  EXPECT_EQ(body(written(ManifestKind::Hpa, "hpa_cpu",
                         "{target_utilization_percent: 60, behavior: true, up_pods: 0, "
                         "up_percent: 50, down_pods: 2, down_pods_period_s: 60, down_percent: 10, "
                         "down_select: min, down_tolerance_ratio: 0.05, sync_s: 10}")),
            R"(# Not in the object itself:
# sync_s: 10: a flag of kube-controller-manager: --horizontal-pod-autoscaler-sync-period
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: resnet50
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: resnet50
  minReplicas: 1
  maxReplicas: 8
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: 60
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      selectPolicy: Max
      policies:
        - type: Percent
          value: 50
          periodSeconds: 15
    scaleDown:
      stabilizationWindowSeconds: 300
      selectPolicy: Min
      policies:
        - type: Pods
          value: 2
          periodSeconds: 60
        - type: Percent
          value: 10
          periodSeconds: 15
      # needs the feature HPAConfigurableTolerance
      tolerance: "0.05"
)");
}

TEST(Manifest, HpaOnAnExternalMetric) {
  EXPECT_EQ(body(written(ManifestKind::Hpa, "hpa_external", "{target: 2.5, window_s: 60}")),
            R"(apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: resnet50
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: resnet50
  minReplicas: 1
  maxReplicas: 8
  metrics:
    # A metrics adapter must serve spate_queue_length as:
    #   avg_over_time((sum(spate_queue_length{model="resnet50"}))[60s:5s])
    - type: External
      external:
        metric:
          name: spate_queue_length
          selector:
            matchLabels:
              model: resnet50
        target:
          type: AverageValue
          averageValue: 2500m
)");
}

TEST(Manifest, WindowsAreDurationsThatPrometheusReads) {
  const auto with = [](const char* options) {
    return written(ManifestKind::Hpa, "hpa_external", options);
  };
  EXPECT_THAT(with("{window_s: 2.5}"), HasSubstr("[2500ms:5s]"));
  EXPECT_THAT(with("{window_s: 3600}"), HasSubstr("[3600s:5s]"));
  EXPECT_THAT(with("{metric: arrival_rate, window_s: 0.25}"), HasSubstr("[250ms]"));
  EXPECT_THAT(with("{metric: arrival_rate}"), HasSubstr("[30s]"));
}

TEST(Manifest, KedaOnTheBacklog) {
  ManifestModel model = kModel;
  model.min_replicas = 0;
  EXPECT_EQ(body(written(ManifestKind::Keda, "keda",
                         "{target: 4, activation_target: 1, cooldown_period_s: 60, "
                         "downscale_stabilization_s: 120}",
                         model)),
            R"(# Not in the object itself:
# downscale_stabilization_s: 120: a flag of kube-controller-manager: --horizontal-pod-autoscaler-downscale-stabilization
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: resnet50
spec:
  scaleTargetRef:
    name: resnet50
  pollingInterval: 30
  cooldownPeriod: 60
  initialCooldownPeriod: 0
  minReplicaCount: 0
  maxReplicaCount: 8
  triggers:
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: http://prometheus:9090
        query: 'sum(spate_queue_length{model="resnet50"}) + sum(spate_in_flight{model="resnet50"})'
        threshold: "4"
        activationThreshold: "1"
)");
  // Idle replicas are below the least; behaviour goes into the HPA that KEDA makes.
  model.min_replicas = 2;
  EXPECT_THAT(written(ManifestKind::Keda, "keda", "{idle_replicas: 0, behavior: true}", model),
              AllOf(HasSubstr("  idleReplicaCount: 0\n  minReplicaCount: 2\n"),
                    HasSubstr("  advanced:\n    horizontalPodAutoscalerConfig:\n      behavior:\n"
                              "        scaleUp:\n")));
  EXPECT_THAT(written(ManifestKind::Keda, "hpa_cpu", "{}"),
              AllOf(HasSubstr("    - type: cpu\n      metricType: Utilization\n      metadata:\n"
                              "        value: \"80\"\n"),
                    Not(HasSubstr("cooldownPeriod"))));
}

TEST(Manifest, KnativeOnCpu) {
  EXPECT_EQ(body(written(ManifestKind::Knative, "hpa_cpu", "{target_utilization_percent: 70}")),
            R"(apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: resnet50
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/class: "hpa.autoscaling.knative.dev"
        autoscaling.knative.dev/metric: "cpu"
        autoscaling.knative.dev/target: "70"
        autoscaling.knative.dev/min-scale: "1"
        autoscaling.knative.dev/max-scale: "8"
    spec:
      containers:
        - image: registry.example/model  # yours
          resources:
            requests:
              cpu: 0.3
)");
}

TEST(Manifest, KnativeOnConcurrency) {
  ManifestModel model = kModel;
  model.replicas = 3;
  EXPECT_EQ(body(written(ManifestKind::Knative, "kpa",
                         "{target: 2.125, activation_scale: 2, max_scale_up_rate: 10, "
                         "aggregation: weighted_exponential}",
                         model)),
            R"(# Not in the object itself:
# max_scale_up_rate: 10: a key of the ConfigMap config-autoscaler: max-scale-up-rate
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: resnet50
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/class: "kpa.autoscaling.knative.dev"
        autoscaling.knative.dev/metric: "concurrency"
        autoscaling.knative.dev/target: "2.125"
        autoscaling.knative.dev/target-utilization-percentage: "70"
        autoscaling.knative.dev/window: "60s"
        autoscaling.knative.dev/panic-window-percentage: "10"
        autoscaling.knative.dev/panic-threshold-percentage: "200"
        autoscaling.knative.dev/scale-down-delay: "0s"
        autoscaling.knative.dev/activation-scale: "2"
        autoscaling.knative.dev/initial-scale: "3"
        autoscaling.knative.dev/target-burst-capacity: "211"
        autoscaling.knative.dev/scale-to-zero-pod-retention-period: "0s"
        autoscaling.knative.dev/metric-aggregation-algorithm: "weighted-exponential"
        autoscaling.knative.dev/min-scale: "1"
        autoscaling.knative.dev/max-scale: "8"
    spec:
      containerConcurrency: 0
      containers:
        - image: registry.example/model  # yours
          resources:
            requests:
              cpu: 0.3
)");
  // Of what is not said or is none there is no annotation: Knative refuses an activation scale
  // of 1.
  EXPECT_THAT(written(ManifestKind::Knative, "kpa", "{}"),
              AllOf(Not(HasSubstr("initial-scale")), Not(HasSubstr("activation-scale"))));
  model.replicas = 0;
  EXPECT_THAT(written(ManifestKind::Knative, "kpa", "{}", model),
              HasSubstr("# needs allow-zero-initial-scale in the ConfigMap config-autoscaler\n"
                        "        autoscaling.knative.dev/initial-scale: \"0\"\n"));
  EXPECT_THAT(
      refusal(ManifestKind::Knative, "kpa", "{activation_scale: 9}"),
      HasSubstr("activation_scale of kpa is 9: a Service takes a whole number from 2 to 8"));
  EXPECT_THAT(refusal(ManifestKind::Knative, "kpa", "{target: 0.001}"),
              HasSubstr("target of kpa is 0.001: a Service takes at least 0.01"));
}

TEST(Manifest, NamesAreTheObjects) {
  ManifestModel model = kModel;
  model.name = model.model = "my_model";
  EXPECT_THAT(
      refusal(ManifestKind::Hpa, "hpa_external", "{}", model),
      HasSubstr("\"my_model\" cannot be the name of a HorizontalPodAutoscaler: expected at "
                "most 63 of a-z, 0-9, . and -, a letter or digit first and no - last; --name "
                "gives it another"));
  model.name = "true";  // which YAML reads as no text
  EXPECT_THAT(written(ManifestKind::Hpa, "hpa_external", "{}", model),
              AllOf(HasSubstr("  name: \"true\"\n"), HasSubstr("              model: my_model\n"),
                    HasSubstr("spate_queue_length{model=\"my_model\"}")));
  model.name = "7b";
  EXPECT_THAT(written(ManifestKind::Keda, "keda", "{}", model), HasSubstr("  name: \"7b\"\n"));
  EXPECT_THAT(refusal(ManifestKind::Knative, "kpa", "{}", model), HasSubstr("a letter first"));
  model.name = std::string(55, 'a');  // keda-hpa- and this are a label's value
  EXPECT_THAT(refusal(ManifestKind::Keda, "keda", "{}", model), HasSubstr("at most 54 of"));
  model.name = "m";
  model.model = "it's";
  EXPECT_THAT(refusal(ManifestKind::Keda, "keda", "{}", model),
              HasSubstr("the model \"it's\" cannot be the value of a label"));
}

TEST(Manifest, WhatCannotBeExpressedIsNamed) {
  EXPECT_THAT(refusal(ManifestKind::Hpa, "backlog", "{}"),
              HasSubstr("strategy \"backlog\" cannot be written as hpa: no such object decides as "
                        "it does (as hpa can be written: hpa_cpu, hpa_external)"));
  EXPECT_THAT(refusal(ManifestKind::Hpa, "keda", "{}"), HasSubstr("keda can be written as keda"));
  EXPECT_THAT(refusal(ManifestKind::Keda, "keda", "{polling_interval_s: 0.5}"),
              HasSubstr("polling_interval_s of keda is 0.5: a ScaledObject takes whole seconds "
                        "from 1 to 1000000"));
  EXPECT_THAT(refusal(ManifestKind::Keda, "keda", "{idle_replicas: 1}"),
              HasSubstr("idle_replicas of keda is 1: a ScaledObject takes less than "
                        "minReplicaCount, which is 1"));
  EXPECT_THAT(refusal(ManifestKind::Hpa, "hpa_cpu", "{behavior: true, up_pods_period_s: 3600}"),
              HasSubstr("up_pods_period_s of hpa_cpu is 3600: a HorizontalPodAutoscaler takes a "
                        "whole number from 1 to 1800"));
  EXPECT_THAT(refusal(ManifestKind::Hpa, "hpa_external", "{metric: service_time}"),
              HasSubstr("metric of hpa_external is service_time"));
  EXPECT_THAT(refusal(ManifestKind::Knative, "hpa_cpu", "{behavior: true}"),
              HasSubstr("behavior is true"));
  ManifestModel none = kModel;
  none.min_replicas = 0;
  EXPECT_THAT(refusal(ManifestKind::Hpa, "hpa_cpu", "{}", none), HasSubstr("min_replicas is 0"));
  EXPECT_THAT(refusal(ManifestKind::Keda, "hpa_cpu", "{}", none),
              HasSubstr("the strategy keda does"));
}

// Whatever an option is set to, it is in the text or it is refused: none is lost.
TEST(Manifest, NoOptionIsLost) {
  const auto registry = builtin_strategies();
  const std::pair<ManifestKind, const char*> pairs[] = {
      {ManifestKind::Hpa, "hpa_cpu"},  {ManifestKind::Hpa, "hpa_external"},
      {ManifestKind::Keda, "keda"},    {ManifestKind::Keda, "hpa_external"},
      {ManifestKind::Keda, "hpa_cpu"}, {ManifestKind::Knative, "hpa_cpu"},
      {ManifestKind::Knative, "kpa"}};
  for (const auto& [kind, name] : pairs) {
    const StrategyInfo& info = registry.find(name, "test");
    const std::string plain = written(kind, name, "{}");
    for (const auto& spec : info.options) {
      if (std::holds_alternative<std::string>(spec.otherwise) || spec.name == "behavior") continue;
      const std::string with = refusal(kind, name, "{" + spec.name + ": 7}");
      EXPECT_NE(with, "written: " + plain) << name << ": " << spec.name;
    }
  }
}

}  // namespace
}  // namespace spate::scaling
