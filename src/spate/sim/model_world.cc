// SPDX-License-Identifier: Apache-2.0
//
// Requests and readings. The workers are in model_workers.cc.
#include "spate/sim/model_world.h"

#include <algorithm>
#include <cmath>

#include "spate/sim/world.h"

namespace spate::sim {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::uint32_t seconds_of(double duration_s) {
  return static_cast<std::uint32_t>(std::ceil(duration_s - 1e-9));
}

gateway::RouteOptions seeded(gateway::RouteOptions options, std::uint64_t seed) {
  options.seed = seed;
  return options;
}

}  // namespace

ModelWorld::ModelWorld(World& world, const SimModel& model, std::uint32_t number)
    : world_(world),
      model_(model),
      number_(number),
      route_(seeded(model.route, world.config_.seed), *this, world.time()),
      feed_(model.settings.name, model.profile, model.arrivals, world.config_.warm_up_s,
            world.config_.seed, world.config_.run),
      recorder_(model.slo_latency, seconds_of(world.config_.duration_s), world.config_.most_bins),
      service_rng_(world.config_.seed, "service_time/" + model.settings.name, world.config_.run),
      start_rng_(world.config_.seed, "start/" + model.settings.name, world.config_.run),
      fault_rng_(world.config_.seed, "faults/" + model.settings.name, world.config_.run),
      noise_rng_(world.config_.seed, "noise/" + model.settings.name, world.config_.run),
      transport_rng_(world.config_.seed, "transport/" + model.settings.name, world.config_.run),
      deadline_ns_(model.deadline.count()),
      to_gateway_(std::llround(world.config_.to_gateway.mean_ns())) {
  if (world.config_.fluid_step > Duration{0}) {
    fluid_ =
        std::make_unique<FluidFlow>(model_, world.config_, world.config_.fluid_step, recorder_);
  }
  keep_waits_ = world.config_.record_waits;
  output_.model = model.settings.name;
}

std::int64_t ModelWorld::now() const { return world_.now_; }

void ModelWorld::start_load(std::int64_t origin) {
  origin_ = origin;
  arrival_second_ends_ = origin + kSecond;
  keep_latency_ = world_.latency_wanted_;
  if (fluid_) {
    start_fluid();
    return;
  }
  const std::int64_t first = feed_.next();
  next_arrival_ = first == ArrivalFeed::kOver ? EventHeap::kNever : origin + first + to_gateway_;
}

void ModelWorld::arrive() {
  if (fluid_) {
    fluid_step();
    return;
  }
  const std::int64_t intended = next_arrival_ - to_gateway_;
  feed_.take();
  const std::int64_t following = feed_.next();
  next_arrival_ =
      following == ArrivalFeed::kOver ? EventHeap::kNever : origin_ + following + to_gateway_;
  ++requests_made_;

  std::uint32_t second = Recorder::kWarmUp;
  if (intended >= origin_) {
    while (intended >= arrival_second_ends_) {
      ++arrival_second_;
      arrival_second_ends_ += kSecond;
      recorder_.begin_second(arrival_second_);
    }
    second = arrival_second_;
  }
  recorder_.planned(second);
  const TimePoint at = world_.time();
  const TimePoint deadline = deadline_ns_ >= EventHeap::kNever - intended
                                 ? gateway::kNever
                                 : TimePoint(Duration(intended + deadline_ns_));
  const gateway::Admission admission = route_.admit(deadline, model_.request_bytes, at);
  if (admission.id == 0) {
    recorder_.ended(second, admission.refused, Duration{0});
  } else {
    const std::uint32_t slot = gateway::slot_of(admission.id);
    if (slot >= requests_.size()) requests_.resize(slot + 1);
    requests_[slot] = {intended, second};
    route_.pump(at);
  }
  look_at_timer();
}

void ModelWorld::timer() {
  if (route_.next_deadline() <= world_.time()) route_.on_time(world_.time());
  if (!pongs_.empty()) {
    for (const gateway::WorkerId worker : pongs_) route_.worker_alive(worker);
    pongs_.clear();
    route_.pump(world_.time());
  }
  timer_at_ = route_.next_deadline().time_since_epoch().count();
}

// The route's next deadline only moves to an earlier time when something waits or is sent where
// nothing was. timer_at_ may be too early, never too late.
void ModelWorld::look_at_timer() {
  if (route_.counters().queue_length == 0 && timer_at_ != EventHeap::kNever) return;
  const std::int64_t at = route_.next_deadline().time_since_epoch().count();
  if (at >= timer_at_) return;
  timer_at_ = at;
  world_.other_at_ = std::min(world_.other_at_, at);
}

bool ModelWorld::rested(std::uint32_t slot, std::size_t batch_size) const {
  const std::int64_t rest = model_.rested_after.count();
  return rest > 0 && batch_size == 1 && workers_[slot].jobs == 0 && now() - last_end_[slot] >= rest;
}

void ModelWorld::on_batch(gateway::WorkerId worker, gateway::BatchId batch,
                          std::span<const gateway::RequestId> requests, TimePoint) {
  const std::uint32_t slot = gateway::slot_of(worker);
  const std::size_t size = requests.size();
  if (rested(slot, size)) {
    begin(slot, model_.service_rested.sample_ns(service_rng_), batch);
    return;
  }
  const bool threads = workers_[slot].threads > 1 && !model_.service_threads.entries.empty();
  const ServiceLaws& laws = threads ? model_.service_threads : model_.service;
  auto& draws = threads ? thread_draws_ : draws_;
  while (size >= draws.size()) {
    draws.push_back(laws.of(static_cast<int>(std::max<std::size_t>(1, draws.size()))));
  }
  const ServiceLaws::Draw& draw = draws[size];
  begin(slot, draw.law->sample_ns(service_rng_) * draw.scale, batch);
}

void ModelWorld::on_end(const gateway::Ended& ended) {
  const Request& request = requests_[gateway::slot_of(ended.id)];
  if (ended.outcome != Outcome::Answered) {
    recorder_.ended(request.second, ended.outcome, Duration{0});
    return;
  }
  const std::int64_t here = now();
  const Duration latency{here + way_back() - request.at};
  recorder_.ended(request.second, Outcome::Answered, latency);
  if (keep_waits_ && request.second != Recorder::kWarmUp) output_.waits.record(ended.queued);
  if (keep_latency_) latency_.record(Duration(here - request.at - to_gateway_));
}

// What both ways take is drawn here, at the end: a request that comes a few milliseconds sooner or
// later to the gateway changes nothing there, and the mean of that part was spent on arrival.
std::int64_t ModelWorld::way_back() {
  if (world_.config_.transport.empty()) return world_.from_gateway_;
  const std::int64_t both =
      std::llround(world_.transport_now(transport_rng_).sample_ns(transport_rng_));
  return std::max<std::int64_t>(0, both - to_gateway_);
}

// A worker that is only slow answers the gateway's ping, as its network side does not wait for its
// calls; one that hangs does not.
void ModelWorld::on_suspect(gateway::WorkerId worker) {
  const std::uint32_t slot = gateway::slot_of(worker);
  if (!workers_[slot].hung) pongs_.push_back(worker);
}

const scaling::RawModel& ModelWorld::read(const scaling::ModelStatus& status) {
  const auto& counters = route_.counters();
  raw_.arrived = counters.arrived;
  raw_.answered = counters.ended[static_cast<std::size_t>(Outcome::Answered)];
  raw_.refused = 0;
  for (const auto count : counters.ended) raw_.refused += count;
  raw_.refused -= raw_.answered;
  raw_.queue_length = static_cast<double>(counters.queue_length);
  raw_.in_flight = static_cast<double>(counters.in_flight);
  raw_.oldest_age_s = to_seconds(route_.oldest_age(world_.time()));
  raw_.service_sum_s = to_seconds(counters.service_sum);
  if (fluid_) show_fluid(raw_);
  raw_.latency = keep_latency_ ? &latency_ : nullptr;
  raw_.replicas.resize(status.replicas.size());
  std::size_t count = 0;
  if (now() < blind_until_) {
    raw_.replicas.clear();
    return raw_;
  }
  const double noise = world_.config_.cpu_noise_ratio;
  for (std::size_t i = 0; i < status.replicas.size(); ++i) {
    const auto& view = status.replicas[i];
    // Mostly both are in order of creation: no search.
    const bool same = i < live_.size() && cold_[live_[i]].replica == view.id;
    const std::uint32_t slot = same ? live_[i] : find(view.id);
    if (slot == gateway::kNil) continue;
    Worker& worker = workers_[slot];
    Cold& cold = cold_[slot];
    worker.cpu.advance(now());
    const double used = worker.cpu.cpu_ns() + cold.fluid_cpu_ns;
    const double shown = noise > 0.0 ? std::max(0.0, 1.0 + noise * noise_rng_.normal()) : 1.0;
    cold.cpu_shown_ns += (used - cold.cpu_read_ns) * shown;
    cold.cpu_read_ns = used;
    scaling::RawReplica& out = raw_.replicas[count++];
    out.id = view.id;
    out.cpu_seconds = cold.cpu_shown_ns * 1e-9;
    out.cpu_limit = view.cpu_limit;
    out.cpu_request = view.cpu_request;
    out.cfs_periods = worker.cpu.periods() + static_cast<std::uint64_t>(cold.fluid_periods);
    out.cfs_throttled_periods =
        worker.cpu.throttled_periods() + static_cast<std::uint64_t>(cold.fluid_throttled);
    out.in_flight =
        fluid_ ? cold.fluid_in_flight : static_cast<int>(route_.worker_in_flight(worker.id));
  }
  raw_.replicas.resize(count);
  return raw_;
}

double ModelWorld::cpu_total_ns() {
  double sum = cpu_gone_ns_;
  for (const std::uint32_t slot : live_) {
    workers_[slot].cpu.advance(now());
    sum += workers_[slot].cpu.cpu_ns() + cold_[slot].fluid_cpu_ns;
  }
  for (const Zombie& zombie : zombies_) sum += zombie.cpu_ns;
  return sum;
}

void ModelWorld::integrate() {
  const double span = static_cast<double>(now() - accounted_) * 1e-9;
  accounted_ = now();
  if (!measured_ || span <= 0.0) return;
  Accounts& a = output_.accounts;
  const double replicas = held_.ready + held_.starting + held_.draining + held_.parked;
  a.cpu_reserved_s += held_.cpu_reserved * span;
  a.memory_byte_s += held_.memory_bytes * span;
  a.replica_s += replicas * span;
  a.ready_s += held_.ready * span;
  a.cpu_limit_s += held_.cpu_limit * span;
  a.most_replicas = std::max(a.most_replicas, static_cast<int>(replicas));
}

void ModelWorld::account(const scaling::ModelStatus& status) {
  integrate();
  held_.wanted = status.wanted;
  held_.ready = status.ready;
  held_.starting = status.starting;
  held_.draining = status.draining;
  held_.parked =
      static_cast<double>(status.replicas.size()) - held_.ready - held_.starting - held_.draining;
  held_.cpu_limit = status.cpu_limit;
  held_.cpu_reserved = status.cpu_reserved;
  held_.memory_bytes = model_.memory_bytes * static_cast<double>(status.replicas.size());
}

void ModelWorld::measure(bool on) {
  integrate();
  const double used = cpu_total_ns();
  if (on) {
    cpu_at_start_ns_ = cpu_at_second_ns_ = used;
  } else if (measured_) {
    output_.accounts.cpu_used_s = (used - cpu_at_start_ns_) * 1e-9;
  }
  measured_ = on;
}

void ModelWorld::second_passed(std::uint32_t second) {
  const auto& counters = route_.counters();
  const double used = cpu_total_ns();
  Gauges gauges = held_;
  gauges.queue = static_cast<double>(counters.queue_length);
  gauges.in_flight = static_cast<double>(counters.in_flight);
  gauges.oldest_ms = to_ms(route_.oldest_age(world_.time()));
  if (fluid_) {
    gauges.queue = static_cast<double>(fluid_->queued());
    gauges.in_flight = fluid_last_.in_flight;
    gauges.oldest_ms = to_ms(fluid_->oldest_age(now()));
  }
  gauges.cpu_cores = (used - cpu_at_second_ns_) * 1e-9;
  cpu_at_second_ns_ = used;
  recorder_.gauges(second, gauges);
  recorder_.begin_second(second + 1);
}

ModelOutput ModelWorld::take_output() {
  recorder_.finish();
  output_.total = recorder_.total();
  output_.latency = recorder_.latency();
  output_.bins = recorder_.bins();
  output_.bin_s = recorder_.bin_s();
  output_.batches = fluid_ ? fluid_->batches() : route_.counters().batches;
  output_.redispatched = route_.counters().redispatched;
  output_.hung = route_.counters().hung;
  return std::move(output_);
}

}  // namespace spate::sim
