// SPDX-License-Identifier: Apache-2.0
//
// Manifest: a strategy's parameters as the YAML that the imitated system reads.
//
//   hpa      HorizontalPodAutoscaler, autoscaling/v2       of hpa_cpu, hpa_external
//   keda     ScaledObject, keda.sh/v1alpha1                of keda, hpa_cpu, hpa_external
//   knative  Service, serving.knative.dev/v1 (annotations) of kpa, hpa_cpu
//
// Fields and ranges are those of the systems' own types and validations (tools/oracles/export_check
// puts every strategy's text before them).
//
// Nothing is lost in silence: an option that the object has no field for stands in a comment with
// its name, its value and where it belongs (a flag of the controller, say); a value that the field
// does not take is a ConfigError that names the option.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/scaling/strategies.h"

namespace spate::scaling {

enum class ManifestKind : std::uint8_t { Hpa, Keda, Knative };

// What is scaled, and the bounds, which stand in the scenario and not in the strategy.
struct ManifestModel {
  std::string name = "model";  // of the Deployment or Service
  std::string model{};         // the metrics' label `model`; empty = as `name`
  int min_replicas = 1;
  int max_replicas = 10;
  std::optional<int> replicas{};  // at the start; unset = said nowhere
  double cpu_request = 0.0;       // CPUs; 0 = said nowhere
  // Of the Prometheus that scrapes the gateway; KEDA asks it.
  std::string prometheus = "http://prometheus:9090";
};

// Throws ConfigError: a strategy that decides otherwise than any such object (naming those that do
// not), a value the object does not take, a name that it cannot have.
std::string write_manifest(ManifestKind kind, const StrategyInfo& strategy,
                           const StrategyOptions& options, const ManifestModel& model);

}  // namespace spate::scaling
