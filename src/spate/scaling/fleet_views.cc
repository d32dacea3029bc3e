// SPDX-License-Identifier: Apache-2.0
//
// What a Fleet shows of itself, and what its replicas are charged.
#include <algorithm>

#include "spate/scaling/fleet.h"

namespace spate::scaling {

double Fleet::reserved(const Replica& replica) const {
  if (replica.state == Phase::Parked) return 0.0;
  if (replica.state == Phase::Starting && !replica.was_ready) {
    return std::max(options_.boost_cpus, settings_.cpu_request);
  }
  const double limit = replica.limit_in_force > 0.0 ? replica.limit_in_force : cpu_limit_;
  return settings_.cpu_limit > 0.0 ? settings_.cpu_request * limit / settings_.cpu_limit
                                   : settings_.cpu_request;
}

ReplicaView Fleet::view(const Replica& replica) const {
  ReplicaState shown = ReplicaState::Starting;
  switch (replica.state) {
    case Phase::Starting:
    case Phase::Unparking:
      break;
    case Phase::Ready:
      shown = ReplicaState::Ready;
      break;
    case Phase::Parked:
      shown = ReplicaState::Parked;
      break;
    case Phase::Parking:
    case Phase::Draining:
      shown = ReplicaState::Draining;
      break;
  }
  return {.id = replica.id,
          .state = shown,
          .created = replica.created,
          .state_since = replica.state_since,
          .cpu_request = reserved(replica),
          .cpu_limit = replica.limit_in_force,
          .in_flight = replica.in_flight};
}

std::vector<ReplicaView> Fleet::views() const {
  std::vector<ReplicaView> out;
  out.reserve(replicas_.size());
  for (const auto& replica : replicas_) out.push_back(view(replica));
  return out;
}

std::vector<ReplicaView> Fleet::serving_views() const {
  // The oldest starting ones will serve; those beyond what is wanted go to the pool.
  int starting_to_serve = std::max(0, wanted_ - serving());
  std::vector<ReplicaView> out;
  for (const auto& replica : replicas_) {
    if (replica.state == Phase::Parking || replica.state == Phase::Parked) continue;
    if (replica.state == Phase::Starting && starting_to_serve-- <= 0 && pool_ > 0) continue;
    out.push_back(view(replica));
  }
  return out;
}

ModelStatus Fleet::status() const {
  ModelStatus out;
  out.model = settings_.name;
  out.wanted = wanted_;
  out.warm_pool = pool_;
  out.cpu_limit = cpu_limit_;
  out.generation = generation_;
  out.failures = failures_;
  out.last_failure = last_failure_;
  out.replicas = views();
  for (const auto& replica : out.replicas) {
    out.ready += replica.state == ReplicaState::Ready ? 1 : 0;
    out.starting += replica.state == ReplicaState::Starting ? 1 : 0;
    out.draining += replica.state == ReplicaState::Draining ? 1 : 0;
    out.parked += replica.state == ReplicaState::Parked ? 1 : 0;
    out.cpu_reserved += replica.cpu_request;
  }
  return out;
}

}  // namespace spate::scaling
