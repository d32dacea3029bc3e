// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/signal.h"

#include <array>
#include <utility>

#include "spate/scaling/actuator.h"
#include "spate/scaling/strategy.h"

namespace spate::scaling {
namespace {

constexpr std::array<std::pair<Signal, std::string_view>, 13> kSignals{{
    {Signal::CpuUsage, "cpu_usage"},
    {Signal::CpuOverLimit, "cpu_over_limit"},
    {Signal::CpuOverRequest, "cpu_over_request"},
    {Signal::Throttled, "throttled"},
    {Signal::InFlight, "in_flight"},
    {Signal::ArrivalRate, "arrival_rate"},
    {Signal::CompletionRate, "completion_rate"},
    {Signal::RejectionRate, "rejection_rate"},
    {Signal::QueueLength, "queue_length"},
    {Signal::Concurrency, "concurrency"},
    {Signal::OldestAge, "oldest_age"},
    {Signal::LatencyQuantile, "latency_quantile"},
    {Signal::ServiceTime, "service_time"},
}};

}  // namespace

std::string_view to_string(Signal signal) {
  for (const auto& [value, name] : kSignals) {
    if (value == signal) return name;
  }
  return "?";
}

std::optional<Signal> signal_from_string(std::string_view name) {
  for (const auto& [value, known] : kSignals) {
    if (known == name) return value;
  }
  return std::nullopt;
}

bool is_per_replica(Signal signal) {
  switch (signal) {
    case Signal::CpuUsage:
    case Signal::CpuOverLimit:
    case Signal::CpuOverRequest:
    case Signal::Throttled:
    case Signal::InFlight:
      return true;
    default:
      return false;
  }
}

std::string_view to_string(ReplicaState state) {
  switch (state) {
    case ReplicaState::Starting:
      return "starting";
    case ReplicaState::Ready:
      return "ready";
    case ReplicaState::Draining:
      return "draining";
    case ReplicaState::Parked:
      return "parked";
  }
  return "?";
}

Status Actuator::park(const std::string& replica_id) {
  return Error{ErrorCode::Unavailable,
               replica_id + ": the " + std::string(name()) + " backend cannot pause replicas"};
}

Status Actuator::unpark(const std::string& replica_id) {
  return Error{ErrorCode::Unavailable,
               replica_id + ": the " + std::string(name()) + " backend cannot pause replicas"};
}

std::string_view to_string(LimitMechanism mechanism) {
  switch (mechanism) {
    case LimitMechanism::CgroupV2:
      return "cgroup_v2";
    case LimitMechanism::CgroupV1:
      return "cgroup_v1";
    case LimitMechanism::DutyCycle:
      return "duty_cycle";
    case LimitMechanism::Engine:
      return "engine";
    case LimitMechanism::None:
      return "none";
  }
  return "?";
}

}  // namespace spate::scaling
