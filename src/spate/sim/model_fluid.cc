// SPDX-License-Identifier: Apache-2.0
//
// The fluid mode: a model's flow step by step. Replicas start, load, are limited, parked and lost
// as in the exact mode; only their calls are a flow.
#include <algorithm>
#include <cmath>

#include "spate/sim/model_world.h"
#include "spate/sim/world.h"

namespace spate::sim {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

// The steps lie so that seconds of the window end with one.
void ModelWorld::start_fluid() {
  const WorldConfig& config = world_.config_;
  const std::int64_t step = config.fluid_step.count();
  const std::int64_t warm_up = from_seconds(config.warm_up_s).count() / step * step;
  fluid_demand_.emplace(model_.settings.name, model_.profile, model_.arrivals, config.warm_up_s,
                        static_cast<double>(warm_up) * 1e-9, config.seed, config.run);
  next_arrival_ = origin_ - warm_up + step;
}

FluidCapacity ModelWorld::fluid_capacity() {
  FluidCapacity out;
  fluid_slots_.clear();
  for (const std::uint32_t slot : live_) {
    const Worker& worker = workers_[slot];
    Cold& cold = cold_[slot];
    cold.fluid_in_flight = 0;
    if (!cold.ready || worker.hung || worker.leaving || worker.parking) continue;
    fluid_slots_.push_back(slot);
    const double at_once = static_cast<double>(cold.calls * worker.threads);
    const double limit = worker.cpu.limit();
    ++out.replicas;
    out.calls += cold.calls;
    out.cpus += limit > 0.0 ? std::min(limit, at_once) : at_once;
    out.limit += limit;
    out.threads = worker.threads;
  }
  if (out.replicas > 0) out.limit /= out.replicas;
  return out;
}

void ModelWorld::fluid_step() {
  const std::int64_t length = world_.config_.fluid_step.count();
  const std::int64_t end = now() - origin_;
  const std::int64_t begin = end - length;
  const double end_s = static_cast<double>(end) * 1e-9;
  std::uint32_t second = Recorder::kWarmUp;
  if (begin >= 0) {
    second = static_cast<std::uint32_t>(begin / kSecond);
    if (second > arrival_second_) {
      arrival_second_ = second;
      recorder_.begin_second(second);
    }
  }
  const double expected = fluid_demand_->until(end_s);
  fluid_rate_ = expected / (static_cast<double>(length) * 1e-9);
  FluidCapacity capacity = fluid_capacity();
  capacity.speed = world_.fluid_speed();
  fluid_last_ = fluid_->advance(now(), second, expected, fluid_rate_, capacity,
                                keep_latency_ ? &latency_ : nullptr);
  requests_made_ = fluid_->made();
  fluid_cpus_ = fluid_last_.busy_ratio * capacity.cpus;
  const double period = static_cast<double>(world_.config_.cfs_period.count());
  const double each = fluid_last_.in_flight / std::max(1.0, static_cast<double>(capacity.replicas));
  double before = 0.5;
  for (const std::uint32_t slot : fluid_slots_) {
    Cold& cold = cold_[slot];
    const Worker& worker = workers_[slot];
    // Whole requests whose sum over the replicas is that of the flow.
    cold.fluid_in_flight = static_cast<int>(std::floor(before + each) - std::floor(before));
    before += each;
    const double at_once = static_cast<double>(cold.calls * worker.threads);
    const double limit = worker.cpu.limit();
    const double share = (limit > 0.0 ? std::min(limit, at_once) : at_once) / capacity.cpus;
    cold.fluid_cpu_ns += fluid_last_.cpu_ns * share;
    cold.fluid_periods += fluid_last_.busy_periods * static_cast<double>(length) / period;
    cold.fluid_throttled += fluid_last_.throttled * static_cast<double>(length) / period;
    if (!workers_[slot].answered && fluid_last_.cpu_ns > 0.0) {
      workers_[slot].answered = true;
      world_.autoscaler_->worker_first_answer(world_.time(), cold.replica);
    }
  }
  const bool over = end_s >= model_.profile->duration_s() - 1e-9;
  next_arrival_ = over && fluid_->idle() ? EventHeap::kNever : now() + length;
}

void ModelWorld::show_fluid(scaling::RawModel& raw) const {
  raw.arrived = fluid_->made();
  raw.answered = fluid_->answered();
  raw.refused = fluid_->refused();
  raw.queue_length = static_cast<double>(fluid_->queued());
  raw.in_flight = fluid_last_.in_flight;
  raw.oldest_age_s = to_seconds(fluid_->oldest_age(now()));
  raw.service_sum_s = fluid_->service_sum_s();
}

}  // namespace spate::sim
