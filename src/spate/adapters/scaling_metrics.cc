// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/scaling_metrics.h"

#include <array>
#include <utility>

namespace spate::adapters {
namespace {

using telemetry::Labels;

constexpr std::array<const char*, 6> kReplicaStates{"wanted",   "ready",  "starting",
                                                    "draining", "parked", "wanted_parked"};

// As scaling/limits.h and the autoscaler name them.
constexpr std::array<const char*, 6> kBounds{"min_replicas", "max_replicas", "min_cpu",
                                             "max_cpu",      "cpu_ceiling",  "max_warm_pool"};

constexpr const char* kCpuSeconds = "spate_component_cpu_seconds_total";
constexpr const char* kMemory = "spate_component_memory_bytes";
constexpr const char* kPrivate = "spate_component_private_memory_bytes";
constexpr const char* kThrottled = "spate_component_throttled_periods_total";
constexpr const char* kCpuStalled = "spate_component_cpu_stalled_seconds_total";
constexpr const char* kMemoryStalled = "spate_component_memory_stalled_seconds_total";

}  // namespace

ScalingMetrics::ScalingMetrics(telemetry::Metrics& metrics, const ControlLoop& loop,
                               std::string limit_mechanism)
    : metrics_(metrics),
      loop_(loop),
      invalid_decisions_(metrics_.counter(
          "spate_invalid_decisions_total",
          "Decisions of the strategy that could not be used and were held instead.",
          {{"strategy", std::string(loop.autoscaler().strategy().name())}})) {
  metrics_
      .gauge("spate_gateway_info", "Always 1; names the strategy and how CPU limits are enforced.",
             {{"limit_mechanism", std::move(limit_mechanism)},
              {"strategy", std::string(loop.autoscaler().strategy().name())}})
      .Set(1.0);
}

ScalingMetrics::Model& ScalingMetrics::model(const std::string& name) {
  const auto found = models_.find(name);
  if (found != models_.end()) return found->second;
  const Labels labels{{"model", name}};
  Model& m = models_[name];
  for (const char* state : kReplicaStates) {
    Labels with_state = labels;
    with_state["state"] = state;
    m.replicas.push_back(&metrics_.gauge(
        "spate_replicas", "Replicas wanted, and existing ones by state.", with_state));
  }
  m.cpu_limit =
      &metrics_.gauge("spate_cpu_limit_cpus", "CPU limit wanted for each replica.", labels);
  m.cpu_reserved = &metrics_.gauge("spate_cpu_reserved_cpus",
                                   "CPU requests of all existing replicas: start-up boost and "
                                   "draining ones included, parked ones "
                                   "zero.",
                                   labels);
  m.failures = &metrics_.counter("spate_replica_failures_total",
                                 "Replicas that died or did not become ready.", labels);
  // From zero on: the first one of a direction would not be seen as a rise otherwise.
  for (const char* direction : {"up", "down", "hold"}) decisions(name, direction);
  for (const char* limit : kBounds) limited(name, limit);
  return m;
}

void ScalingMetrics::update() {
  update_models();
  update_components();
  update_decisions();
}

void ScalingMetrics::update_models() {
  for (const auto& status : loop_.autoscaler().status()) {
    Model& m = model(status.model);
    const std::array<int, kReplicaStates.size()> counts{status.wanted,   status.ready,
                                                        status.starting, status.draining,
                                                        status.parked,   status.warm_pool};
    for (std::size_t i = 0; i < counts.size(); ++i) m.replicas[i]->Set(counts[i]);
    m.cpu_limit->Set(status.cpu_limit);
    m.cpu_reserved->Set(status.cpu_reserved);
    telemetry::advance_to(*m.failures, static_cast<double>(status.failures));
  }
}

void ScalingMetrics::update_components() {
  for (auto& [key, component] : components_) component.seen = false;
  for (const auto& reading : loop_.last_components()) {
    Component& c = components_[reading.component + "/" + reading.replica];
    const Labels labels{
        {"component", reading.component}, {"model", reading.model}, {"replica", reading.replica}};
    if (c.cpu_seconds == nullptr) {
      c.cpu_seconds = &metrics_.counter(kCpuSeconds, "CPU time a component has used.", labels);
      c.memory = &metrics_.gauge(kMemory, "Resident memory of a component.", labels);
      c.private_memory = &metrics_.gauge(
          kPrivate, "Resident memory of a component that it does not share with a file.", labels);
      c.throttled = &metrics_.counter(
          kThrottled, "CFS periods in which a component used up its CPU quota.", labels);
    }
    c.seen = true;
    telemetry::advance_to(*c.cpu_seconds, reading.cpu_seconds);
    c.memory->Set(static_cast<double>(reading.memory_bytes));
    c.private_memory->Set(static_cast<double>(reading.private_bytes));
    telemetry::advance_to(*c.throttled, static_cast<double>(reading.cfs_throttled_periods));
    if (reading.cpu_stalled_s) {
      if (c.cpu_stalled == nullptr) {
        c.cpu_stalled = &metrics_.counter(
            kCpuStalled, "Time in which something of a component waited for a CPU.", labels);
      }
      telemetry::advance_to(*c.cpu_stalled, *reading.cpu_stalled_s);
    }
    if (reading.memory_stalled_s) {
      if (c.memory_stalled == nullptr) {
        c.memory_stalled = &metrics_.counter(
            kMemoryStalled, "Time in which something of a component waited for memory.", labels);
      }
      telemetry::advance_to(*c.memory_stalled, *reading.memory_stalled_s);
    }
  }
  std::erase_if(components_, [&](const auto& entry) {
    const Component& c = entry.second;
    if (c.seen) return false;
    metrics_.remove(kCpuSeconds, *c.cpu_seconds);
    metrics_.remove(kMemory, *c.memory);
    metrics_.remove(kPrivate, *c.private_memory);
    metrics_.remove(kThrottled, *c.throttled);
    if (c.cpu_stalled != nullptr) metrics_.remove(kCpuStalled, *c.cpu_stalled);
    if (c.memory_stalled != nullptr) metrics_.remove(kMemoryStalled, *c.memory_stalled);
    return true;
  });
}

telemetry::Counter& ScalingMetrics::decisions(const std::string& model,
                                              const std::string& direction) {
  return metrics_.counter("spate_decisions_total", "Decisions of the strategy by direction.",
                          {{"model", model},
                           {"strategy", std::string(loop_.autoscaler().strategy().name())},
                           {"direction", direction}});
}

telemetry::Counter& ScalingMetrics::by_rule(const std::string& model, const std::string& rule) {
  return metrics_.counter("spate_decision_rules_total",
                          "Decisions of the strategy by the rule that made them.",
                          {{"model", model},
                           {"strategy", std::string(loop_.autoscaler().strategy().name())},
                           {"rule", rule}});
}

telemetry::Counter& ScalingMetrics::limited(const std::string& model, const std::string& limit) {
  return metrics_.counter("spate_decisions_limited_total",
                          "Decisions that a wrapper or a bound changed, by which.",
                          {{"model", model}, {"limit", limit}});
}

void ScalingMetrics::update_decisions() {
  for (const auto& [key, count] : loop_.log().by_rule()) {
    telemetry::advance_to(by_rule(key.first, key.second), static_cast<double>(count));
  }
  for (const auto& [key, count] : loop_.log().by_limit()) {
    telemetry::advance_to(limited(key.first, key.second), static_cast<double>(count));
  }
  for (const auto& [key, count] : loop_.log().by_direction()) {
    telemetry::advance_to(decisions(key.first, key.second), static_cast<double>(count));
  }
  telemetry::advance_to(invalid_decisions_,
                        static_cast<double>(loop_.autoscaler().invalid_decisions()));
}

}  // namespace spate::adapters
