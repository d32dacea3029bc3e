// SPDX-License-Identifier: Apache-2.0
//
// Contention: the workers of a machine share its CPUs (core_shares.h). Throttled threads do not
// want to run, so that the shares change whenever a quota runs out or a period begins; every such
// moment is an event.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "spate/sim/core_shares.h"
#include "spate/sim/world.h"

namespace spate::sim {

void World::cores_changed() {
  cores_dirty_ = false;
  cores_.assign(machines_.size(), {});
  for (const auto& model : models_) {
    for (const std::uint32_t slot : model->live_) {
      auto& worker = model->workers_[slot];
      worker.cpu.advance(now_);
      if (worker.jobs == 0 || worker.hung) continue;
      const double threads = static_cast<double>(worker.jobs * worker.threads);
      worker.cpu.set_demand(threads);
      if (worker.cpu.throttled()) continue;
      Cores& at = cores_[worker.machine];
      (model->cold_[slot].ready ? at.others : at.loading) += threads;
    }
  }
  for (std::size_t m = 0; m < machines_.size(); ++m) {
    Cores& at = cores_[m];
    // Fluid calls lie evenly on the machines.
    for (const auto& model : models_) at.others += model->fluid_cpus() * machines_[m] / all_cpus();
    if (m == 0 && !config_.transport.empty()) note_busy(at.loading + at.others);
    at.shares = core_shares(at.loading, at.others, machines_[m]);
  }
  cores_at_ = EventHeap::kNever;
  for (const auto& model : models_) {
    for (const std::uint32_t slot : model->live_) {
      auto& worker = model->workers_[slot];
      if (worker.jobs == 0 || worker.hung) {
        worker.cpu.set_demand(0.0);
        continue;
      }
      const CoreShares& shares = cores_[worker.machine].shares;
      worker.cpu.set_demand(static_cast<double>(worker.jobs * worker.threads),
                            speed_ * (model->cold_[slot].ready ? shares.other : shares.loading));
      cores_at_ =
          std::min({cores_at_, worker.cpu.when(model->next_end(slot)), worker.cpu.next_switch()});
    }
  }
  // Nothing moves within a nanosecond.
  if (cores_at_ <= now_) cores_at_ = now_ + 1;
  other_at_ = std::min(other_at_, cores_at_);
}

// Weighs what lies t back with exp(-t / 1 s): several periods of a quota, so that a worker which
// computes a third of each counts as a third, as the loads did at which transport was measured.
double World::busy_mean() const {
  constexpr double kMemoryNs = 1e9;
  const double passed = static_cast<double>(now_ - busy_at_);
  return busy_mean_ + (busy_now_ - busy_mean_) * -std::expm1(-passed / kMemoryNs);
}

void World::note_busy(double threads) {
  busy_mean_ = busy_mean();
  busy_now_ = std::min(1.0, threads / machines_[0]);
  busy_at_ = now_;
}

const Law& World::transport_now(Rng& rng) const {
  const auto& laws = config_.transport;
  const double busy = busy_mean();
  const auto above = std::find_if(laws.begin(), laws.end(),
                                  [busy](const auto& at) { return at.busy_ratio > busy; });
  if (above == laws.end()) return laws.back().law;
  const auto& below = *std::prev(above);  // the first is of 0, which is never above
  const double share = (busy - below.busy_ratio) / (above->busy_ratio - below.busy_ratio);
  return rng.uniform() < share ? above->law : below.law;
}

double World::all_cpus() const {
  double sum = 0.0;
  for (const double cpus : machines_) sum += cpus;
  return sum;
}

// The one of which the smallest share is reserved; the first of equals.
std::uint16_t World::machine_for_next() const {
  if (machines_.size() == 1) return 0;
  std::vector<double> reserved(machines_.size());
  for (const auto& model : models_) {
    for (const std::uint32_t slot : model->live_) {
      reserved[model->workers_[slot].machine] +=
          std::max(model->model().settings.cpu_request, model->cold_[slot].limit_ordered);
    }
  }
  std::size_t best = 0;
  for (std::size_t m = 1; m < machines_.size(); ++m) {
    if (reserved[m] * machines_[best] < reserved[best] * machines_[m]) best = m;
  }
  return static_cast<std::uint16_t>(best);
}

int World::cpus_of(std::uint16_t machine) const {
  return machine == 0 ? config_.machine_cpus : std::max(1, static_cast<int>(machines_[machine]));
}

double World::fluid_speed() const {
  if (config_.cores <= 0.0) return speed_;
  double wanting = 0.0;
  for (const auto& model : models_) {
    wanting += model->fluid_cpus();
    for (const std::uint32_t slot : model->live_) wanting += model->workers_[slot].jobs;
  }
  const double cpus = all_cpus();
  return wanting > cpus ? speed_ * (cpus / wanting) : speed_;
}

double World::busy_ratio(std::uint16_t machine) const {
  if (config_.cores <= 0.0) return 0.0;
  const double cpus = machines_[machine];
  double wanting = 0.0;
  for (const auto& model : models_) {
    wanting += model->fluid_cpus() * cpus / all_cpus();
    for (const std::uint32_t slot : model->live_) {
      const auto& worker = model->workers_[slot];
      if (worker.machine != machine || worker.jobs == 0 || worker.hung) continue;
      if (!worker.cpu.throttled()) wanting += worker.jobs * worker.threads;
    }
  }
  return std::min(1.0, wanting / cpus);
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
