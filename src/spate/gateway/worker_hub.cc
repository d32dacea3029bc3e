// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/worker_hub.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace spate::gateway {

namespace {

constexpr Duration kPingInterval = std::chrono::seconds(1);

// Takes the same time whatever the difference, so that a token cannot be guessed byte by byte.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0U : 1U;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |=
        static_cast<unsigned char>(a[i]) ^
        static_cast<unsigned>(static_cast<unsigned char>(b.empty() ? '\0' : b[i % b.size()]));
  }
  return difference == 0;
}

}  // namespace

WorkerHub::WorkerHub(boost::asio::io_context& loop, Clock& clock, Options options,
                     const Sessions& sessions)
    : loop_(loop),
      clock_(clock),
      options_(std::move(options)),
      ping_interval_(std::min(kPingInterval, options_.heartbeat_timeout / 4)),
      sessions_(sessions) {}

WorkerHub::~WorkerHub() { stop(); }

Status WorkerHub::start() {
  auto listener =
      WorkerListener::listen(loop_, clock_, options_.listen,
                             [this](WorkerLink::Socket socket) { accepted(std::move(socket)); });
  if (!listener) return listener.error();
  listener_ = std::move(listener.value());
  timer_ = clock_.call_after(ping_interval_, [this] { heartbeat(); });
  return ok();
}

void WorkerHub::stop() {
  handler_ = nullptr;
  listener_.reset();
  if (timer_) clock_.cancel(*timer_);
  timer_.reset();
  for (const auto& [link, worker] : workers_) worker->link->close();
  workers_.clear();
  by_replica_.clear();
}

const std::string& WorkerHub::address() const {
  return listener_ ? listener_->address() : options_.listen;
}

void WorkerHub::accepted(WorkerLink::Socket socket) {
  if (unregistered_ >= options_.max_unregistered) {
    ++refused_;
    spdlog::warn("gateway: {} connections have not registered; another one is closed",
                 unregistered_);
    return;
  }
  auto worker = std::make_unique<Worker>();
  WorkerLink::Owner& owner = *this;
  worker->link = std::make_shared<WorkerLink>(loop_, std::move(socket), owner);
  worker->last_heard = clock_.now();
  ++unregistered_;
  WorkerLink& link = *worker->link;
  workers_.emplace(&link, std::move(worker));
  link.start();
}

void WorkerHub::heartbeat() {
  timer_ = clock_.call_after(ping_interval_, [this] { heartbeat(); });
  const TimePoint now = clock_.now();
  std::vector<std::pair<WorkerLink*, const char*>> dead;
  ++nonce_;
  for (const auto& [link, worker] : workers_) {
    if (worker->asleep) continue;  // a paused process answers no ping
    const Duration silence = now - worker->last_heard;
    if (worker->session == nullptr) {
      if (silence > options_.register_timeout) dead.emplace_back(link, "it did not register");
    } else if (silence > options_.heartbeat_timeout) {
      dead.emplace_back(link, "it gives no sign of life");
    } else {
      link->send(wire::Ping{nonce_});
    }
  }
  for (const auto& [link, why] : dead) remove(*link, why);
}

// --- frames ------------------------------------------------------------------------------------

void WorkerHub::link_message(WorkerLink& link, wire::Message&& message) {
  Worker& worker = *workers_.at(&link);
  worker.last_heard = clock_.now();
  if (worker.session == nullptr && !std::holds_alternative<wire::Register>(message)) {
    return refuse(worker, "the first frame must be Register");
  }
  std::visit(
      [&](auto&& kind) {
        if constexpr (requires { on(worker, std::move(kind)); }) {
          on(worker, std::move(kind));
        } else {
          refuse(worker, "a frame that only a gateway sends");
        }
      },
      std::move(message));
}

void WorkerHub::on(Worker& worker, const wire::Register& message) {
  if (worker.session != nullptr) return refuse(worker, "it is registered already");
  if (!same_secret(message.token, options_.token)) return refuse(worker, "wrong token");
  if (message.replica_id.empty()) return refuse(worker, "it has no replica id");
  const auto session = sessions_.find(message.model);
  if (session == sessions_.end()) {
    return refuse(worker, "no route is called '" + message.model + "'");
  }
  if (Worker* old = find(message.replica_id)) {
    remove(*old->link, "it has dialled in again");
  }
  --unregistered_;
  worker.session = session->second.get();
  worker.id = worker.session->attach(worker.link, message);
  worker.info.replica_id = message.replica_id;
  worker.info.model = message.model;
  worker.info.pid = message.pid;
  worker.info.container_id = message.container_id;
  worker.info.registered = clock_.now();
  worker.info.cpu_limit = message.cpu_limit;
  worker.info.metrics_address = message.metrics_address;
  if (message.metrics_address.starts_with(':')) {
    worker.info.metrics_address.insert(0, worker.link->peer_host());
  }
  by_replica_[message.replica_id] = &worker;
  worker.link->send(wire::Registered{options_.gateway_id});
  spdlog::info("gateway: worker {} registered{}", message.replica_id,
               message.ready ? " with its model loaded" : "");
  emit(WorkerEvent::Kind::Registered, worker);
}

void WorkerHub::on(Worker& worker, const wire::Ready& message) {
  if (worker.info.state != scaling::ReplicaState::Starting) {
    return worker.session->set_credits(worker.id, message.credits);
  }
  worker.info.state = scaling::ReplicaState::Ready;
  worker.info.ready = clock_.now();
  worker.info.exec_to_main = message.exec_to_main;
  worker.info.load = message.load;
  worker.info.warm_up = message.warm_up;
  worker.session->ready(worker.id, message.credits);
  emit(WorkerEvent::Kind::Ready, worker);
}

void WorkerHub::on(Worker& worker, const wire::Credits& message) {
  worker.session->set_credits(worker.id, message.credits);
}

void WorkerHub::on(Worker& worker, wire::BatchResult&& message) {
  std::size_t answers = 0;
  if (!worker.session->answered(worker.id, std::move(message), answers)) {
    return refuse(worker, "a result that answers no batch of its");
  }
  if (answers > 0 && worker.info.first_answer == TimePoint{}) {
    worker.info.first_answer = clock_.now();
    emit(WorkerEvent::Kind::FirstAnswer, worker);
  }
  fall_asleep_if_idle(worker);
}

void WorkerHub::on(Worker& worker, const wire::Draining&) { begin_drain(worker); }

void WorkerHub::on(Worker& worker, const wire::Goodbye&) {
  worker.leaving = true;
  remove(*worker.link, "it has finished");
}

void WorkerHub::on(Worker& worker, const wire::Pong&) { worker.session->alive(worker.id); }

// --- comings and goings ------------------------------------------------------------------------

void WorkerHub::link_closed(WorkerLink& link, const std::string& why) { remove(link, why); }

// Breaks with a worker that breaks the protocol, or that does not belong here.
void WorkerHub::refuse(Worker& worker, const std::string& reason) {
  ++refused_;
  worker.link->send(wire::Refused{reason});
  remove(*worker.link, "refused: " + reason);
}

void WorkerHub::remove(WorkerLink& link, const std::string& why) {
  const auto entry = workers_.find(&link);
  if (entry == workers_.end()) return;
  const std::unique_ptr<Worker> worker = std::move(entry->second);
  workers_.erase(entry);
  worker->link->close();
  if (worker->session == nullptr) {
    --unregistered_;
    spdlog::warn("gateway: a connection without a worker ended: {}", why);
    return;
  }
  by_replica_.erase(worker->info.replica_id);
  worker->info.in_flight = static_cast<int>(worker->session->in_flight(worker->id));
  worker->session->detach(worker->id);
  if (worker->leaving) {
    spdlog::info("gateway: worker {} left", worker->info.replica_id);
  } else {
    spdlog::warn("gateway: worker {} is gone: {}; {} requests go to others",
                 worker->info.replica_id, why, worker->info.in_flight);
  }
  WorkerEvent event{WorkerEvent::Kind::Gone, worker->info};
  if (handler_) handler_(event);
}

void WorkerHub::begin_drain(Worker& worker) {
  worker.session->drain(worker.id);  // sends Drain, also as the answer to Draining
  if (worker.info.state == scaling::ReplicaState::Draining) return;
  worker.info.state = scaling::ReplicaState::Draining;
  if (std::exchange(worker.asleep, false)) worker.last_heard = clock_.now();
  emit(WorkerEvent::Kind::Draining, worker);
}

void WorkerHub::fall_asleep_if_idle(Worker& worker) {
  if (worker.info.state != scaling::ReplicaState::Parked || worker.asleep) return;
  if (!worker.session->idle(worker.id)) return;
  worker.asleep = true;
  emit(WorkerEvent::Kind::Idle, worker);
}

void WorkerHub::emit(WorkerEvent::Kind kind, const Worker& worker) {
  if (!handler_) return;
  WorkerEvent event{kind, worker.info};
  event.worker.in_flight = static_cast<int>(worker.session->in_flight(worker.id));
  handler_(event);
}

WorkerHub::Worker* WorkerHub::find(const std::string& replica_id) {
  const auto entry = by_replica_.find(replica_id);
  return entry == by_replica_.end() ? nullptr : entry->second;
}

// --- Control -----------------------------------------------------------------------------------

std::vector<WorkerInfo> WorkerHub::workers() const {
  std::vector<WorkerInfo> all;
  all.reserve(by_replica_.size());
  for (const auto& [id, worker] : by_replica_) {
    all.push_back(worker->info);
    all.back().in_flight = static_cast<int>(worker->session->in_flight(worker->id));
  }
  std::sort(all.begin(), all.end(),
            [](const WorkerInfo& a, const WorkerInfo& b) { return a.replica_id < b.replica_id; });
  return all;
}

void WorkerHub::drain(const std::string& replica_id) {
  Worker* worker = find(replica_id);
  if (worker != nullptr && worker->info.state != scaling::ReplicaState::Draining) {
    begin_drain(*worker);
  }
}

void WorkerHub::park(const std::string& replica_id) {
  Worker* worker = find(replica_id);
  if (worker == nullptr || worker->info.state != scaling::ReplicaState::Ready) return;
  worker->info.state = scaling::ReplicaState::Parked;
  worker->session->park(worker->id);
  fall_asleep_if_idle(*worker);
}

void WorkerHub::unpark(const std::string& replica_id) {
  Worker* worker = find(replica_id);
  if (worker == nullptr || worker->info.state != scaling::ReplicaState::Parked) return;
  worker->info.state = scaling::ReplicaState::Ready;
  worker->info.first_answer = TimePoint{};
  worker->asleep = false;
  worker->last_heard = clock_.now();  // its silence counts from now on
  worker->session->unpark(worker->id);
}

void WorkerHub::announce_cpu_limit(const std::string& replica_id, double cpus, bool duty_cycle) {
  Worker* worker = find(replica_id);
  if (worker == nullptr) return;
  worker->info.cpu_limit = cpus;
  worker->session->set_cpu_limit(worker->id, cpus);
  worker->link->send(wire::CpuLimit{cpus, duty_cycle});
}

}  // namespace spate::gateway
