// SPDX-License-Identifier: Apache-2.0
//
// hpa_external: the Kubernetes HorizontalPodAutoscaler on one External metric (v1.37.2).
//
// average_value: ratio = metric / (target x existing replicas); outside the tolerance
//                n = ceil(metric / target)
// value:         ratio = metric / target; outside the tolerance n = ceil(ratio x ready replicas);
//                from zero n = ceil(ratio)
// in thousandths, as quantities are. Starting and missing replicas play no part. Then
// stabilisation, rate limits and bounds as in hpa.h; with min_replicas 0 it scales to zero and
// back.
#pragma once

#include "spate/scaling/production/hpa.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {

StrategyInfo hpa_external_strategy();

// How the metric of an HPA of this kind is asked for. Also keda's.
struct HpaExternal {
  MetricSpec metric{};
  std::int64_t target_milli = 1000;
  bool average_value = true;
};
// The options metric, window_s, target, target_type, metrics_delay_s; a reading each `period`.
std::vector<OptionSpec> hpa_external_options(const char* metric, double target);
HpaExternal hpa_external(const StrategyOptions& options, Duration period);
std::string hpa_external_check(const StrategyOptions& options);

// The metric's value in thousandths, when the last reading had one.
std::optional<std::int64_t> hpa_external_milli(const MetricView& metric);
HpaProposal hpa_external_proposal(const HpaExternal& external, const HpaTolerance& tolerance,
                                  const ModelView& model, const MetricView& metric);

}  // namespace spate::scaling
