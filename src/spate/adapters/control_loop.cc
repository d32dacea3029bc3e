// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/control_loop.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "spate/adapters/series.h"
#include "spate/base/files.h"

namespace spate::adapters {
namespace {

using Json = nlohmann::ordered_json;
using gateway::Outcome;
using gateway::WorkerEvent;
using scaling::Action;
using scaling::ReplicaEvent;
using scaling::ReplicaInfo;

const char* const kStateFile = "autoscaler.state";

}  // namespace

struct ControlLoop::State : std::enable_shared_from_this<State> {
  State(Clock& c, gateway::Control& g, scaling::Actuator& a, Meter& m,
        std::unique_ptr<scaling::Autoscaler> s, Options o)
      : clock(c),
        control(g),
        actuator(a),
        meter(m),
        autoscaler(std::move(s)),
        options(std::move(o)) {}

  Clock& clock;
  gateway::Control& control;
  scaling::Actuator& actuator;
  Meter& meter;
  std::unique_ptr<scaling::Autoscaler> autoscaler;
  const Options options;

  RunRecords records;
  Series series;
  Json last_series = Json::object();
  std::vector<ComponentReading> last_components;
  DecisionLog log{records, options.decisions_kept};
  std::set<std::string> to_be_paused;  // once they have answered what they have
  std::string saved;                   // the snapshot on disk

  bool stopped = false;  // nothing more happens
  bool step_posted = false;
  std::optional<TimerId> timer;
  TimePoint next_reading{};
  TimePoint next_look{};
  std::function<void(bool)> on_gone;
  TimePoint give_up_at = TimePoint::max();

  Status start();
  void restore();
  void worker_event(const WorkerEvent& event);
  void replica_event(const ReplicaEvent& event);
  void check_park(const Status& done, const std::string& replica);
  void step_soon();
  void step();
  void arm();
  std::vector<ReplicaInfo> existing() const;
  void read(TimePoint now);
  void look(TimePoint now);
  void carry_out(TimePoint now, const Action& action);
  void save();
  void write_records();
  double unix_s(TimePoint at) const {
    return to_unix_s(clock.wall_now()) - to_seconds(clock.now() - at);
  }
};

Status ControlLoop::State::start() {
  if (Status s = records.open(options.run_dir); !s) return s;
  restore();
  const TimePoint now = clock.now();
  next_reading = now;
  next_look = now;
  control.set_worker_event_handler([weak = weak_from_this()](const WorkerEvent& event) {
    if (const auto self = weak.lock(); self && !self->stopped) self->worker_event(event);
  });
  actuator.set_event_handler([weak = weak_from_this()](const scaling::ReplicaEvent& event) {
    const auto self = weak.lock();
    if (!self || self->stopped) return;
    for (const auto& [phase, ms] : event.phases) {
      self->log.add_phase(event.replica_id, phase, ms);
    }
    self->replica_event(event);
  });
  // Workers that were there before the handler was.
  for (const auto& worker : control.workers()) {
    worker_event({WorkerEvent::Kind::Registered, worker});
    if (worker.state == scaling::ReplicaState::Ready) {
      worker_event({WorkerEvent::Kind::Ready, worker});
    }
  }
  step();
  return ok();
}

void ControlLoop::State::restore() {
  const auto text = read_file(options.run_dir / kStateFile);
  if (!text) return;  // the first gateway of this run
  const Status restored = autoscaler->restore(*text);
  if (restored) {
    spdlog::info("goes on from {}", kStateFile);
  } else {
    spdlog::warn("starts afresh: {}", restored.error().message);
  }
}

void ControlLoop::State::worker_event(const WorkerEvent& event) {
  const TimePoint now = clock.now();
  const gateway::WorkerInfo& worker = event.worker;
  switch (event.kind) {
    case WorkerEvent::Kind::Registered:
      autoscaler->worker_registered(now, worker.replica_id, worker.model);
      break;
    case WorkerEvent::Kind::Ready:
      // Behind what its engine took, if it said so.
      log.add_phase(worker.replica_id, "exec_to_main_ms", to_ms(worker.exec_to_main));
      log.add_phase(worker.replica_id, "load_ms", to_ms(worker.load));
      log.add_phase(worker.replica_id, "warm_up_ms", to_ms(worker.warm_up));
      autoscaler->worker_ready(now, worker.replica_id, worker.model);
      break;
    case WorkerEvent::Kind::FirstAnswer:
      autoscaler->worker_first_answer(now, worker.replica_id);
      break;
    case WorkerEvent::Kind::Draining:
      autoscaler->worker_draining(now, worker.replica_id);
      break;
    case WorkerEvent::Kind::Idle:
      if (to_be_paused.erase(worker.replica_id) > 0) {
        check_park(actuator.park(worker.replica_id), worker.replica_id);
      }
      return;
    case WorkerEvent::Kind::Gone:
      to_be_paused.erase(worker.replica_id);
      autoscaler->worker_gone(now, worker.replica_id);
      break;
  }
  step_soon();
}

// Several events at once lead to one step, after the call that brought them has returned.
void ControlLoop::State::step_soon() {
  if (std::exchange(step_posted, true)) return;
  clock.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->step_posted = false;
    self->step();
  });
}

void ControlLoop::State::step() {
  if (stopped) return;
  const TimePoint now = clock.now();
  if (now >= next_look) look(now);
  if (now >= next_reading || now >= autoscaler->next_reading()) read(now);
  const std::vector<Action> actions = autoscaler->poll(now);
  // Before anything is started: a replica's number must never be used twice.
  save();
  for (const Action& action : actions) carry_out(now, action);
  write_records();
  if (on_gone && (autoscaler->all_gone() || now >= give_up_at)) {
    stopped = true;
    const auto done = std::exchange(on_gone, nullptr);
    done(autoscaler->all_gone());
    return;
  }
  arm();
}

void ControlLoop::State::arm() {
  if (timer) clock.cancel(*timer);
  TimePoint next = std::min({next_reading, next_look, autoscaler->next_wakeup()});
  if (on_gone) next = std::min(next, give_up_at);
  timer = clock.call_at(next, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->timer.reset();
    self->step();
  });
}

// What the actuator has, and workers that dialled in though it does not know them (they were
// started just before an earlier gateway was killed).
std::vector<ReplicaInfo> ControlLoop::State::existing() const {
  std::vector<ReplicaInfo> out = actuator.list();
  for (const auto& worker : control.workers()) {
    const bool listed = std::any_of(out.begin(), out.end(), [&](const ReplicaInfo& info) {
      return info.replica_id == worker.replica_id;
    });
    if (listed) continue;
    out.push_back({.replica_id = worker.replica_id,
                   .model = worker.model,
                   .pid = worker.pid,
                   .container_id = worker.container_id,
                   .cpu_limit = worker.cpu_limit});
  }
  return out;
}

void ControlLoop::State::read(TimePoint now) {
  next_reading = now + options.reading_period;
  const std::vector<ReplicaInfo> replicas = existing();
  const std::vector<gateway::WorkerInfo> workers = control.workers();
  for (const auto& status : autoscaler->status()) {
    const gateway::RouteStats& stats = control.stats(status.model);
    scaling::RawModel raw;
    raw.arrived = stats.arrived;
    raw.answered = stats.ended[static_cast<std::size_t>(Outcome::Answered)];
    for (const auto count : stats.ended) raw.refused += count;
    raw.refused -= raw.answered;
    raw.queue_length = static_cast<double>(stats.queue_length);
    raw.in_flight = static_cast<double>(stats.in_flight);
    raw.oldest_age_s = to_seconds(stats.oldest_age);
    raw.service_sum_s = to_seconds(stats.service_sum);
    raw.latency = &stats.latency;
    for (const auto& view : status.replicas) {
      const auto info = std::find_if(replicas.begin(), replicas.end(),
                                     [&](const auto& r) { return r.replica_id == view.id; });
      // Who sleeps uses nothing: that is no reading of what serving costs.
      if (info == replicas.end() || view.state == scaling::ReplicaState::Parked) continue;
      auto reading = meter.read_worker_cpu(*info);
      if (!reading) continue;
      reading->cpu_limit = view.cpu_limit;
      reading->cpu_request = view.cpu_request;
      for (const auto& worker : workers) {
        if (worker.replica_id == view.id) reading->in_flight = worker.in_flight;
      }
      raw.replicas.push_back(std::move(*reading));
    }
    autoscaler->read(now, status.model, raw);
  }
}

void ControlLoop::State::look(TimePoint now) {
  next_look = now + options.look_period;
  const std::vector<ReplicaInfo> replicas = existing();
  autoscaler->observe(now, replicas);
  last_components = meter.read_all(replicas);
  last_series = series.line(now, unix_s(now), control, autoscaler->status(), last_components);
  records.series(last_series);
}

void ControlLoop::State::carry_out(TimePoint now, const Action& action) {
  switch (action.kind) {
    case Action::Kind::Start: {
      const Status started = actuator.start(action.spec);
      if (started) break;
      spdlog::error("{}: {}", action.replica_id, started.error().message);
      autoscaler->start_failed(now, action.replica_id, started.error().message);
      step_soon();
      break;
    }
    case Action::Kind::SetCpuLimit: {
      const Status set = actuator.set_cpu_limit(action.replica_id, action.cpu_limit);
      if (set) break;
      spdlog::warn("CPU limit of {}: {}", action.replica_id, set.error().message);
      autoscaler->replica_event(now, {.kind = scaling::ReplicaEvent::Kind::LimitFailed,
                                      .replica_id = action.replica_id,
                                      .detail = set.error().message});
      break;
    }
    case Action::Kind::Drain:
      control.drain(action.replica_id);
      break;
    case Action::Kind::Stop: {
      const Status stopping = actuator.stop(action.replica_id, action.grace);
      if (!stopping) spdlog::warn("stop {}: {}", action.replica_id, stopping.error().message);
      break;
    }
    case Action::Kind::SetMaxBatch:
      control.set_max_batch(action.model, action.max_batch);
      break;
    case Action::Kind::Park:
      // The gateway says Idle, perhaps within this call; then it is paused.
      to_be_paused.insert(action.replica_id);
      control.park(action.replica_id);
      break;
    case Action::Kind::Unpark:
      to_be_paused.erase(action.replica_id);
      check_park(actuator.unpark(action.replica_id), action.replica_id);
      break;
  }
}

void ControlLoop::State::check_park(const Status& done, const std::string& replica) {
  if (done) return;
  spdlog::warn("park or unpark {}: {}", replica, done.error().message);
  autoscaler->replica_event(clock.now(), {.kind = ReplicaEvent::Kind::ParkFailed,
                                          .replica_id = replica,
                                          .detail = done.error().message});
  step_soon();
}

void ControlLoop::State::replica_event(const ReplicaEvent& event) {
  // The gateway sends work to exactly those that are not paused.
  if (event.kind == ReplicaEvent::Kind::Parked) control.park(event.replica_id);
  if (event.kind == ReplicaEvent::Kind::Unparked) control.unpark(event.replica_id);
  autoscaler->replica_event(clock.now(), event);
  step_soon();
}

void ControlLoop::State::save() {
  // What is wanted while everything ends is no memory for the next gateway.
  if (on_gone) return;
  std::string snapshot = autoscaler->snapshot();
  if (snapshot == saved) return;
  const Status written = write_file(options.run_dir / kStateFile, snapshot);
  if (!written) spdlog::error("{}: {}", kStateFile, written.error().message);
  saved = std::move(snapshot);
}

void ControlLoop::State::write_records() {
  for (const auto& decision : autoscaler->take_decisions()) {
    log.add(decision, unix_s(decision.at));
  }
  for (const auto& event : autoscaler->take_events()) log.add(event, unix_s(event.at));
}

ControlLoop::ControlLoop(Clock& clock, gateway::Control& control, scaling::Actuator& actuator,
                         Meter& meter, std::unique_ptr<scaling::Autoscaler> autoscaler,
                         Options options)
    : state_(std::make_shared<State>(clock, control, actuator, meter, std::move(autoscaler),
                                     std::move(options))) {}

ControlLoop::~ControlLoop() {
  state_->stopped = true;
  if (state_->timer) state_->clock.cancel(*state_->timer);
}

Status ControlLoop::start() { return state_->start(); }

void ControlLoop::shut_down(Duration at_most, std::function<void(bool)> done) {
  state_->on_gone = std::move(done);
  state_->give_up_at = state_->clock.now() + at_most;
  state_->autoscaler->shut_down(state_->clock.now());
  state_->step_soon();
}

const scaling::Autoscaler& ControlLoop::autoscaler() const { return *state_->autoscaler; }

bool ControlLoop::all_ready() const {
  const auto models = state_->autoscaler->status();
  return std::all_of(models.begin(), models.end(), [](const auto& model) {
    return model.ready >= model.wanted && model.parked >= model.warm_pool;
  });
}

const Json& ControlLoop::last_series() const { return state_->last_series; }
const std::vector<ComponentReading>& ControlLoop::last_components() const {
  return state_->last_components;
}
const DecisionLog& ControlLoop::log() const { return state_->log; }

}  // namespace spate::adapters
