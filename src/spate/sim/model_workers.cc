// SPDX-License-Identifier: Apache-2.0
//
// A model's workers: how they start, compute, are limited, fail and leave.
#include <algorithm>
#include <cmath>
#include <utility>

#include "spate/sim/model_world.h"
#include "spate/sim/world.h"

namespace spate::sim {
namespace {

using gateway::kNil;

// A worker takes any batch that the gateway forms.
constexpr std::uint32_t kWorkerMaxBatch = 1U << 20U;
constexpr double kNsPerHour = 3.6e12;
// CPU time below this is none: what rounding to whole nanoseconds leaves.
constexpr double kDust = 0.5;

}  // namespace

std::uint32_t ModelWorld::find(const std::string& replica) const {
  const auto at = by_replica_.find(replica);
  return at == by_replica_.end() ? kNil : at->second;
}

void ModelWorld::push(Happening what, std::uint32_t slot, std::int64_t at) {
  const std::uint32_t life =
      what == Happening::ZombieEnd ? 0 : static_cast<std::uint32_t>(cold_[slot].life & 0xffffU);
  world_.heap_.push({at, static_cast<std::uint32_t>(what) | (number_ << 8U) | (life << 16U), slot});
}

// --- calls ---------------------------------------------------------------------------------------

void ModelWorld::demand(Worker& worker) {
  worker.cpu.set_demand(worker.hung ? 0.0 : static_cast<double>(worker.jobs * worker.threads),
                        world_.speed_);
}

void ModelWorld::begin(std::uint32_t slot, double work_ns, gateway::BatchId batch) {
  Worker& worker = workers_[slot];
  worker.cpu.advance(now());
  const Job job{worker.cpu.v() + work_ns / static_cast<double>(worker.threads), batch, now()};
  if (worker.jobs++ == 0) {
    worker.job = job;
  } else {
    cold_[slot].more.push_back(job);
  }
  demand(worker);
  schedule(slot);
}

// The v at which the first of its calls ends.
double ModelWorld::next_end(std::uint32_t slot) const {
  const Worker& worker = workers_[slot];
  double first = worker.job.v_end;
  if (worker.jobs > 1) {
    for (const Job& job : cold_[slot].more) first = std::min(first, job.v_end);
  }
  return first;
}

void ModelWorld::schedule(std::uint32_t slot) {
  if (world_.config_.cores > 0.0) {
    world_.cores_dirty_ = true;
    return;
  }
  Worker& worker = workers_[slot];
  const std::int64_t at = worker.jobs == 0 ? EventHeap::kNever : worker.cpu.when(next_end(slot));
  if (at == worker.event_at) return;
  worker.event_at = at;
  if (at == EventHeap::kNever) return;
  world_.heap_.push({at, static_cast<std::uint32_t>(Happening::Cpu) | (number_ << 8U), slot});
}

// Takes out the call that ends first. Requires one.
ModelWorld::Job ModelWorld::take_job(std::uint32_t slot) {
  Worker& worker = workers_[slot];
  Job done = worker.job;
  if (--worker.jobs > 0) {
    auto& more = cold_[slot].more;
    const auto first = std::min_element(
        more.begin(), more.end(), [](const Job& a, const Job& b) { return a.v_end < b.v_end; });
    if (first->v_end < done.v_end) {
      done = *first;
    } else {
      worker.job = *first;
    }
    *first = more.back();
    more.pop_back();
  }
  demand(worker);
  return done;
}

// Ends the first call if its time has come.
bool ModelWorld::finish_due(std::uint32_t slot) {
  Worker& worker = workers_[slot];
  if (worker.jobs == 0 || worker.hung || next_end(slot) > worker.cpu.v() + kDust) return false;
  job_done(slot, take_job(slot));
  return true;
}

void ModelWorld::cpu_event(std::uint32_t slot) {
  Worker& worker = workers_[slot];
  if (!worker.alive || worker.event_at != now()) return;  // an event of an earlier plan
  worker.event_at = EventHeap::kNever;
  worker.cpu.advance(now());
  while (workers_[slot].alive && finish_due(slot)) {
  }
  if (workers_[slot].alive && workers_[slot].jobs > 0) schedule(slot);
  route_.pump(world_.time());
  look_at_timer();
}

void ModelWorld::job_done(std::uint32_t slot, const Job& job) {
  if (job.batch == 0) {
    loaded(slot);
    return;
  }
  Worker& worker = workers_[slot];
  if (!last_end_.empty()) last_end_[slot] = now();
  (void)route_.answered_all(worker.id, job.batch, Duration(now() - job.began), world_.time());
  if (!worker.answered) {
    worker.answered = true;
    // It changes nothing that is reconciled: no step is needed for it.
    world_.autoscaler_->worker_first_answer(world_.time(), cold_[slot].replica);
  }
  if (worker.leaving) {
    leave_if_idle(slot);
  } else if (workers_[slot].parking) {
    park_if_idle(slot);
  }
}

// --- start-up ------------------------------------------------------------------------------------

void ModelWorld::start_worker(const scaling::ReplicaSpec& spec) {
  const gateway::WorkerId id = route_.add_worker(kWorkerMaxBatch, 0.0);
  const std::uint32_t slot = gateway::slot_of(id);
  if (slot >= workers_.size()) {
    workers_.resize(slot + 1);
    cold_.resize(slot + 1);
    if (model_.rested_after > Duration{0}) last_end_.resize(slot + 1);
  }
  Worker& worker = workers_[slot];
  worker = Worker{};
  worker.cpu = CpuGroup(world_.config_.cfs_period.count());
  worker.cpu.advance(now());
  worker.id = id;
  worker.machine = world_.machine_for_next();
  worker.alive = true;
  Cold& cold = cold_[slot];
  cold = Cold{};
  cold.replica = spec.replica_id;
  cold.life = ++lives_;
  cold.failing = start_rng_.uniform() < model_.start.failure_ratio;
  if (starts_to_fail_ > 0) {
    --starts_to_fail_;
    cold.failing = true;
  }
  live_.push_back(slot);
  by_replica_[spec.replica_id] = slot;
  cold.busy = world_.busy_ratio(worker.machine);
  const double decided = world_.config_.decide.sample_ns(start_rng_);
  push(Happening::Spawned, slot,
       now() + std::llround(decided + start_phase_ns(slot, &StartLaws::spawn)));
}

// Between what it takes on an idle machine and on a busy one, at equal luck.
double ModelWorld::start_phase_ns(std::uint32_t slot, Law StartLaws::*phase) {
  const double busy = cold_[slot].busy;
  if (!model_.start_busy || busy <= 0.0) return (model_.start.*phase).sample_ns(start_rng_);
  Rng same = start_rng_;
  const double idle_ns = (model_.start.*phase).sample_ns(start_rng_);
  return idle_ns + busy * ((*model_.start_busy.*phase).sample_ns(same) - idle_ns);
}

void ModelWorld::worker_event(const Event& event) {
  const auto what = static_cast<Happening>(event.kind & 0xffU);
  const std::uint32_t slot = event.index;
  const TimePoint at = world_.time();
  if (what == Happening::ZombieEnd) {
    Zombie& zombie = zombies_[slot];
    cpu_gone_ns_ += std::exchange(zombie.cpu_ns, 0.0);
    zombie.gone = true;
    world_.autoscaler_->replica_event(at, {.kind = scaling::ReplicaEvent::Kind::Exited,
                                           .replica_id = zombie.replica,
                                           .detail = "killed",
                                           .expected = true});
    world_.wake_control(now());
    return;
  }
  if (!workers_[slot].alive || (cold_[slot].life & 0xffffU) != event.kind >> 16U) return;
  Cold& cold = cold_[slot];
  switch (what) {
    case Happening::Spawned:
      world_.autoscaler_->replica_event(
          at,
          {.kind = scaling::ReplicaEvent::Kind::Started, .replica_id = cold.replica, .detail = ""});
      push(Happening::DialledIn, slot,
           now() + std::llround(start_phase_ns(slot, &StartLaws::to_main)));
      break;
    case Happening::DialledIn: {
      world_.autoscaler_->worker_registered(at, cold.replica, model_.settings.name);
      const double work = start_phase_ns(slot, &StartLaws::load);
      // A start that fails does so somewhere on the way.
      begin(slot, cold.failing ? work * start_rng_.uniform() : work, 0);
      break;
    }
    case Happening::LimitSet:
      apply_limit(slot, cold.limit_ordered);
      world_.autoscaler_->replica_event(at, {.kind = scaling::ReplicaEvent::Kind::LimitApplied,
                                             .replica_id = cold.replica,
                                             .detail = ""});
      break;
    case Happening::Unparked:
      if (workers_[slot].parking) break;  // parked again meanwhile
      set_concurrency(slot);
      world_.autoscaler_->replica_event(
          at, {.kind = scaling::ReplicaEvent::Kind::Unparked, .replica_id = cold.replica});
      break;
    case Happening::Crash:
      exit(slot, false, "crashed");
      break;
    case Happening::Hang:
      hang(slot);
      break;
    case Happening::LinkLost:
      link_lost(slot);
      break;
    case Happening::Kill:
      exit(slot, true, "killed");
      break;
    case Happening::Cpu:
    case Happening::ZombieEnd:
      break;
  }
  world_.wake_control(now());
  route_.pump(at);
  look_at_timer();
}

void ModelWorld::loaded(std::uint32_t slot) {
  Cold& cold = cold_[slot];
  if (cold.failing) {
    exit(slot, false, "died while loading");
    return;
  }
  cold.ready = true;
  if (!last_end_.empty()) last_end_[slot] = now();
  set_concurrency(slot);
  world_.autoscaler_->worker_ready(world_.time(), cold.replica, model_.settings.name);
  plan_faults(slot);
  world_.wake_control(now());
}

// --- limits --------------------------------------------------------------------------------------

void ModelWorld::order_limit(std::uint32_t slot, double cpus) {
  cold_[slot].limit_ordered = cpus;
  push(Happening::LimitSet, slot,
       now() + std::llround(world_.config_.limit_delay.sample_ns(start_rng_)));
}

void ModelWorld::apply_limit(std::uint32_t slot, double cpus) {
  Worker& worker = workers_[slot];
  worker.cpu.advance(now());
  if (world_.config_.limits) worker.cpu.set_limit(cpus, now());
  route_.set_cpu_limit(worker.id, cpus);
  set_concurrency(slot);
  demand(worker);
  if (worker.jobs > 0) schedule(slot);
}

void ModelWorld::set_concurrency(std::uint32_t slot) {
  Worker& worker = workers_[slot];
  Cold& cold = cold_[slot];
  const auto mode = worker::mode_from(model_.settings.mode).value_or(worker::Mode::Throughput);
  const double limit = world_.config_.limits ? worker.cpu.limit() : cold.limit_ordered;
  const auto plan = worker::concurrency_for(mode, limit, world_.cpus_of(worker.machine));
  worker.threads = static_cast<std::uint32_t>(plan.threads);
  const auto credits = static_cast<std::uint32_t>(plan.calls);
  cold.calls = credits;
  cold.more.reserve(credits);
  if (!cold.ready || worker.parking) return;
  route_.worker_ready(worker.id, credits, world_.time());
}

// --- the warm pool
// ---------------------------------------------------------------------------------

// It gets no more work; once it has none it is paused.
void ModelWorld::park(std::uint32_t slot) {
  workers_[slot].parking = true;
  route_.set_credits(workers_[slot].id, 0);
  park_if_idle(slot);
}

void ModelWorld::park_if_idle(std::uint32_t slot) {
  const Worker& worker = workers_[slot];
  if (worker.jobs > 0 || route_.outstanding_batches(worker.id) > 0) return;
  world_.autoscaler_->replica_event(world_.time(), {.kind = scaling::ReplicaEvent::Kind::Parked,
                                                    .replica_id = cold_[slot].replica});
  world_.wake_control(now());
}

void ModelWorld::unpark(std::uint32_t slot) {
  workers_[slot].parking = false;
  push(Happening::Unparked, slot,
       now() + std::llround(world_.config_.limit_delay.sample_ns(start_rng_)));
}

// --- ends ----------------------------------------------------------------------------------------

void ModelWorld::drain(std::uint32_t slot) {
  route_.drain_worker(workers_[slot].id);
  workers_[slot].leaving = true;
  leave_if_idle(slot);
}

void ModelWorld::stop(std::uint32_t slot, Duration grace) {
  if (!cold_[slot].ready) {  // a loading worker ends at once
    exit(slot, true, "stopped");
    return;
  }
  push(Happening::Kill, slot, now() + grace.count());
  drain(slot);
}

bool ModelWorld::stop_zombie(const std::string& replica, Duration grace) {
  for (std::uint32_t i = 0; i < zombies_.size(); ++i) {
    if (zombies_[i].replica != replica || zombies_[i].ending) continue;
    zombies_[i].ending = true;
    push(Happening::ZombieEnd, i, now() + grace.count());
    return true;
  }
  return false;
}

void ModelWorld::leave_if_idle(std::uint32_t slot) {
  const Worker& worker = workers_[slot];
  if (worker.hung || worker.jobs > 0 || route_.outstanding_batches(worker.id) > 0) return;
  exit(slot, true, "drained");
}

// The slot's worker is no more; its route's slot may be used again.
void ModelWorld::forget(std::uint32_t slot) {
  Worker& worker = workers_[slot];
  worker.alive = false;
  worker.event_at = EventHeap::kNever;
  by_replica_.erase(cold_[slot].replica);
  live_.erase(std::find(live_.begin(), live_.end(), slot));
  route_.worker_gone(worker.id, world_.time());
  world_.autoscaler_->worker_gone(world_.time(), cold_[slot].replica);
  if (world_.config_.cores > 0.0) world_.cores_dirty_ = true;
  world_.wake_control(now());
}

void ModelWorld::exit(std::uint32_t slot, bool expected, const char* why) {
  workers_[slot].cpu.advance(now());
  cpu_gone_ns_ += workers_[slot].cpu.cpu_ns() + cold_[slot].fluid_cpu_ns;
  forget(slot);
  world_.autoscaler_->replica_event(world_.time(), {.kind = scaling::ReplicaEvent::Kind::Exited,
                                                    .replica_id = cold_[slot].replica,
                                                    .detail = why,
                                                    .expected = expected});
}

void ModelWorld::hang(std::uint32_t slot) {
  Worker& worker = workers_[slot];
  worker.cpu.advance(now());
  worker.hung = true;
  worker.event_at = EventHeap::kNever;
  demand(worker);
  if (world_.config_.cores > 0.0) world_.cores_dirty_ = true;
  push(Happening::LinkLost, slot, now() + world_.config_.heartbeat_timeout.count());
}

void ModelWorld::link_lost(std::uint32_t slot) {
  auto place = std::find_if(zombies_.begin(), zombies_.end(), [](const auto& z) { return z.gone; });
  if (place == zombies_.end()) place = zombies_.emplace(place);
  *place = Zombie{};
  place->replica = cold_[slot].replica;
  place->cpu_ns = workers_[slot].cpu.cpu_ns() + cold_[slot].fluid_cpu_ns;
  forget(slot);
}

void ModelWorld::plan_faults(std::uint32_t slot) {
  const auto plan = [&](Happening what, double per_hour) {
    if (per_hour <= 0.0) return;
    const double after = fault_rng_.exponential() * kNsPerHour / per_hour;
    if (after < 1e18) push(what, slot, now() + std::llround(after));
  };
  plan(Happening::Crash, model_.faults.crashes_per_hour);
  plan(Happening::Hang, model_.faults.hangs_per_hour);
}

}  // namespace spate::sim
