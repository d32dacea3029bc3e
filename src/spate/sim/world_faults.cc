// SPDX-License-Identifier: Apache-2.0
//
// The script of faults: what happens at given moments of the measured window, beside what the
// models' own rates of faults bring.
#include <algorithm>
#include <cmath>

#include "spate/sim/world.h"

namespace spate::sim {

using Kind = ScriptedFault::Kind;

void World::plan_script() {
  for (std::size_t i = 0; i < config_.script.size(); ++i) {
    const ScriptedFault& fault = config_.script[i];
    script_.push_back({origin_ + from_seconds(fault.at_s).count(), i, true});
    if (fault.kind == Kind::SlowMachine) {
      script_.push_back({origin_ + from_seconds(fault.at_s + fault.for_s).count(), i, false});
    }
  }
  // At one moment in the order of the script, so that equal scripts give equal runs.
  std::stable_sort(script_.begin(), script_.end(),
                   [](const FaultEdge& a, const FaultEdge& b) { return a.at < b.at; });
  fault_at_ = script_.empty() ? EventHeap::kNever : script_.front().at;
}

void World::faults_due() {
  while (next_fault_ < script_.size() && script_[next_fault_].at <= now_) {
    play_fault(script_[next_fault_++]);
  }
  fault_at_ = next_fault_ < script_.size() ? script_[next_fault_].at : EventHeap::kNever;
}

void World::play_fault(const FaultEdge& edge) {
  const ScriptedFault& fault = config_.script[edge.fault];
  if (fault.kind == Kind::SlowMachine) {
    set_speed();
    return;
  }
  for (std::size_t i = 0; i < models_.size(); ++i) {
    if (fault.model != ScriptedFault::kEveryModel && fault.model != i) continue;
    ModelWorld& model = *models_[i];
    switch (fault.kind) {
      case Kind::Crash:
        model.crash_some(fault.count);
        break;
      case Kind::Hang:
        model.hang_some(fault.count);
        break;
      case Kind::StartFailure:
        model.fail_starts(fault.count);
        break;
      case Kind::NoReadings:
        model.blind_until(now_ + from_seconds(fault.for_s).count());
        break;
      case Kind::SlowMachine:
        break;
    }
  }
}

// Slow times that overlap multiply.
void World::set_speed() {
  speed_ = 1.0;
  for (const ScriptedFault& fault : config_.script) {
    if (fault.kind != Kind::SlowMachine) continue;
    const std::int64_t from = origin_ + from_seconds(fault.at_s).count();
    const std::int64_t until = origin_ + from_seconds(fault.at_s + fault.for_s).count();
    if (from <= now_ && now_ < until) speed_ *= fault.speed_ratio;
  }
  for (const auto& model : models_) model->speed_changed();
}

// Those that take requests: ready, neither parked nor leaving, alive. live_ is in order of
// creation.
std::vector<std::uint32_t> ModelWorld::serving(int most) const {
  std::vector<std::uint32_t> out;
  for (const std::uint32_t slot : live_) {
    const Worker& worker = workers_[slot];
    if (!cold_[slot].ready || worker.hung || worker.leaving || worker.parking) continue;
    if (static_cast<int>(out.size()) == most) break;
    out.push_back(slot);
  }
  return out;
}

void ModelWorld::crash_some(int count) {
  for (const std::uint32_t slot : serving(count)) exit(slot, false, "crashed");
  route_.pump(world_.time());
  look_at_timer();
}

void ModelWorld::hang_some(int count) {
  for (const std::uint32_t slot : serving(count)) hang(slot);
}

void ModelWorld::speed_changed() {
  for (const std::uint32_t slot : live_) {
    Worker& worker = workers_[slot];
    worker.cpu.advance(now());
    demand(worker);
    if (worker.jobs > 0 && !worker.hung) schedule(slot);
  }
}

}  // namespace spate::sim
