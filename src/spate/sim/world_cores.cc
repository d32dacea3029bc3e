// SPDX-License-Identifier: Apache-2.0
//
// Contention: all workers share `cores` CPUs. While more threads want to run than there are CPUs,
// each gets an equal share, as CFS gives on average. Throttled threads do not want to run, so that
// the shares change whenever a quota runs out or a period begins; every such moment is an event.
#include <algorithm>

#include "spate/sim/world.h"

namespace spate::sim {

void World::cores_changed() {
  cores_dirty_ = false;
  double wanting = 0.0;
  for (const auto& model : models_) {
    for (const std::uint32_t slot : model->live_) {
      auto& worker = model->workers_[slot];
      worker.cpu.advance(now_);
      if (worker.jobs == 0 || worker.hung) continue;
      const double threads = static_cast<double>(worker.jobs * worker.threads);
      worker.cpu.set_demand(threads);
      if (!worker.cpu.throttled()) wanting += threads;
    }
  }
  const double speed = wanting > config_.cores ? speed_ * (config_.cores / wanting) : speed_;
  cores_at_ = EventHeap::kNever;
  for (const auto& model : models_) {
    for (const std::uint32_t slot : model->live_) {
      auto& worker = model->workers_[slot];
      if (worker.jobs == 0 || worker.hung) {
        worker.cpu.set_demand(0.0);
        continue;
      }
      worker.cpu.set_demand(static_cast<double>(worker.jobs * worker.threads), speed);
      cores_at_ =
          std::min({cores_at_, worker.cpu.when(model->next_end(slot)), worker.cpu.next_switch()});
    }
  }
  // Nothing moves within a nanosecond.
  if (cores_at_ <= now_) cores_at_ = now_ + 1;
  other_at_ = std::min(other_at_, cores_at_);
}

// Calls may have ended, quotas run out, periods begun.
void World::cores_event() {
  for (const auto& model : models_) {
    bool any = false;
    for (std::size_t i = 0; i < model->live_.size();) {
      const std::uint32_t slot = model->live_[i];
      model->workers_[slot].cpu.advance(now_);
      bool more = true;
      while (more && model->workers_[slot].alive) {
        more = model->finish_due(slot);
        any = any || more;
      }
      // A worker that left has made room for the next one at its place.
      if (i < model->live_.size() && model->live_[i] == slot) ++i;
    }
    if (!any) continue;
    model->route_.pump(time());
    model->look_at_timer();
  }
  cores_dirty_ = false;
  cores_changed();
}

}  // namespace spate::sim
