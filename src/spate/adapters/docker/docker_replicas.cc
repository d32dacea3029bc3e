// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/docker_replicas.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "spate/base/files.h"

namespace spate::adapters {

using scaling::ReplicaEvent;
using scaling::ReplicaInfo;

namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(200);
constexpr Duration kLongestRetry = std::chrono::seconds(3);
constexpr int kLogLines = 2000;
constexpr double kCpuSlack = 1e-6;

std::string label_of(const std::map<std::string, std::string>& labels, const char* label) {
  const auto it = labels.find(label);
  return it == labels.end() ? "" : it->second;
}

}  // namespace

DockerReplicas::DockerReplicas(boost::asio::io_context& loop, Clock& clock,
                               DockerActuatorOptions options, AnnounceLimit announce)
    : clock_(clock),
      options_(std::move(options)),
      announce_(std::move(announce)),
      client_(std::make_unique<DockerClient>(loop, clock, options_.engine)),
      retry_after_(kFirstRetry) {}

void DockerReplicas::begin(DockerStart found) {
  engine_ = found.engine;
  for (const auto& container : found.workers) {
    Replica replica;
    replica.info = {.replica_id = label_of(container.labels, kReplicaLabel),
                    .model = label_of(container.labels, kModelLabel),
                    .pid = container.pid,
                    .container_id = container.id,
                    // The widest limit stands for none: the engine cannot take one away.
                    .cpu_limit = container.cpus > engine_.cpus - kCpuSlack ? 0.0 : container.cpus};
    replica.phase = Phase::Running;
    replica.info.parked = replica.park_wanted = container.state == "paused";
    spdlog::info("adopted {} (container {})", replica.info.replica_id, container.id.substr(0, 12));
    replicas_.emplace(replica.info.replica_id, std::move(replica));
  }
  client_->set_following_handler([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->reconcile();
  });
  follow();
}

void DockerReplicas::close() {
  handler_ = nullptr;
  if (retry_) clock_.cancel(*retry_);
  client_.reset();
}

template <class T>
std::function<void(Result<T>)> DockerReplicas::about(
    const std::string& id, std::function<void(Replica&, Result<T>)> handler) {
  return [weak = weak_from_this(), id, handler = std::move(handler)](Result<T> result) {
    const auto self = weak.lock();
    if (!self || !self->client_) return;
    if (Replica* replica = self->find(id)) handler(*replica, std::move(result));
  };
}

DockerReplicas::Replica* DockerReplicas::find(const std::string& id) {
  const auto it = replicas_.find(id);
  return it == replicas_.end() ? nullptr : &it->second;
}

DockerReplicas::Replica* DockerReplicas::find_container(const std::string& container_id) {
  for (auto& [id, replica] : replicas_) {
    if (replica.info.container_id == container_id) return &replica;
  }
  return nullptr;
}

void DockerReplicas::emit(ReplicaEvent event) {
  clock_.post([weak = weak_from_this(), event = std::move(event)] {
    const auto self = weak.lock();
    if (self && self->handler_) self->handler_(event);
  });
}

std::vector<ReplicaInfo> DockerReplicas::list() const {
  std::vector<ReplicaInfo> out;
  for (const auto& [id, replica] : replicas_) out.push_back(replica.info);
  return out;
}

// --- start ---------------------------------------------------------------------------------------

Status DockerReplicas::start(const scaling::ReplicaSpec& spec) {
  const std::string& id = spec.replica_id;
  if (replicas_.contains(id)) {
    return Error{ErrorCode::InvalidArgument, "replica " + id + " exists already"};
  }
  if (!connected_) return Error{ErrorCode::Unavailable, away_because_};
  Replica& replica = replicas_[id];
  replica.info = {.replica_id = id, .model = spec.model};
  replica.asked = clock_.now();
  client_->create(worker_container(options_, spec),
                  about<std::string>(id, [this](Replica& r, Result<std::string> container) {
                    created(r, std::move(container));
                  }));
  return ok();
}

void DockerReplicas::created(Replica& replica, Result<std::string> container) {
  if (!container) return gone(replica.info.replica_id, container.error().message);
  replica.info.container_id = *container;
  replica.create_took = clock_.now() - replica.asked;
  if (replica.stop_asked) return discard(replica, "stopped before it was started");
  const TimePoint sent = clock_.now();
  client_->start(*container, about<std::monostate>(replica.info.replica_id,
                                                   [this, sent](Replica& r, const Status& status) {
                                                     started(r, sent, status);
                                                   }));
}

void DockerReplicas::started(Replica& replica, TimePoint start_sent, const Status& status) {
  if (replica.phase == Phase::Leaving) return;  // it died before the answer came
  if (!status) return discard(replica, status.error().message);
  const Duration took = clock_.now() - start_sent;
  // Told with its pid. The worker may be ready before: whoever reads the records takes either
  // order.
  client_->inspect(
      replica.info.container_id,
      about<ContainerInfo>(
          replica.info.replica_id, [this, took](Replica& r, Result<ContainerInfo> container) {
            if (r.phase == Phase::Leaving) return;
            r.phase = Phase::Running;
            if (container) r.info.pid = container->pid;
            emit({.kind = ReplicaEvent::Kind::Started,
                  .replica_id = r.info.replica_id,
                  .detail = fmt::format("container {}", r.info.container_id.substr(0, 12)),
                  .phases = {{"create_ms", to_ms(r.create_took)}, {"start_ms", to_ms(took)}}});
            proceed(r);
          }));
}

void DockerReplicas::discard(Replica& replica, std::string why) {
  replica.phase = Phase::Leaving;
  remove(replica, std::move(why));
}

// --- limits, pausing, stopping -------------------------------------------------------------------

Status DockerReplicas::set_cpu_limit(const std::string& id, double cpus) {
  Replica* replica = find(id);
  if (replica == nullptr) return Error{ErrorCode::NotFound, "no replica " + id};
  replica->limit_wanted = cpus;
  proceed(*replica);
  return ok();
}

// What was asked of a replica takes effect in order, one call at a time; a stop goes first.
void DockerReplicas::proceed(Replica& replica) {
  if (replica.phase != Phase::Running || replica.limit_busy || replica.park_busy) return;
  if (replica.stop_asked) return send_stop(replica);
  if (replica.limit_wanted) return send_limit(replica);
  if (!std::exchange(replica.park_asked, false)) return;
  if (replica.park_wanted == replica.info.parked) return tell_parked(replica);
  send_park(replica);
}

void DockerReplicas::send_limit(Replica& replica) {
  const std::string id = replica.info.replica_id;
  const double wanted = *std::exchange(replica.limit_wanted, std::nullopt);
  const double sent = std::min(wanted, engine_.cpus);
  std::string detail;
  if (sent < wanted) {
    detail = fmt::format("{:g} CPU is more than the engine's machine has; it gets all {:g}", wanted,
                         sent);
    spdlog::warn("CPU limit of {}: {}", id, detail);
  }
  replica.limit_busy = true;
  client_->set_cpus(
      replica.info.container_id, sent,
      about<std::monostate>(id, [this, sent, detail](Replica& r, const Status& status) {
        r.limit_busy = false;
        if (r.phase == Phase::Leaving) return;
        if (!status) {
          emit({.kind = ReplicaEvent::Kind::LimitFailed,
                .replica_id = r.info.replica_id,
                .detail = status.error().message});
        } else {
          r.info.cpu_limit = sent;
          announce_(r.info.replica_id, sent);
          emit({.kind = ReplicaEvent::Kind::LimitApplied,
                .replica_id = r.info.replica_id,
                .detail = detail});
        }
        proceed(r);
      }));
}

Status DockerReplicas::park(const std::string& id, bool wanted) {
  Replica* replica = find(id);
  if (replica == nullptr) return Error{ErrorCode::NotFound, "no replica " + id};
  replica->park_wanted = wanted;
  replica->park_asked = true;
  proceed(*replica);
  return ok();
}

void DockerReplicas::tell_parked(const Replica& replica) {
  emit({.kind = replica.info.parked ? ReplicaEvent::Kind::Parked : ReplicaEvent::Kind::Unparked,
        .replica_id = replica.info.replica_id});
}

void DockerReplicas::send_park(Replica& replica) {
  const bool pausing = replica.park_wanted;
  replica.park_busy = true;
  auto done = about<std::monostate>(replica.info.replica_id,
                                    [this, pausing](Replica& r, const Status& status) {
                                      r.park_busy = false;
                                      if (r.phase == Phase::Leaving) return;
                                      if (status) {
                                        r.info.parked = pausing;
                                        tell_parked(r);
                                      } else {
                                        emit({.kind = ReplicaEvent::Kind::ParkFailed,
                                              .replica_id = r.info.replica_id,
                                              .detail = status.error().message});
                                      }
                                      proceed(r);
                                    });
  if (pausing) {
    client_->pause(replica.info.container_id, std::move(done));
  } else {
    client_->unpause(replica.info.container_id, std::move(done));
  }
}

Status DockerReplicas::stop(const std::string& id, Duration grace) {
  Replica* replica = find(id);
  if (replica == nullptr) return ok();  // it is gone, as wanted
  replica->stop_asked = true;
  replica->grace = grace;
  proceed(*replica);
  return ok();
}

void DockerReplicas::send_stop(Replica& replica) {
  if (replica.stop_sent) return;
  const std::string id = replica.info.replica_id;
  if (leaves_one_by_one(engine_.version)) {
    if (!leaving_.empty()) return;
    leaving_ = id;
  }
  replica.stop_sent = true;
  const auto send = [this](Replica& r) {
    client_->stop(
        r.info.container_id, r.grace,
        about<std::monostate>(r.info.replica_id, [this](Replica& s, const Status& status) {
          if (status) {
            collect(s);
          } else {
            s.stop_sent = false;  // sent again when the engine is back, or asked again
            spdlog::warn("stop {}: {}", s.info.replica_id, status.error().message);
          }
          next_leaves(s.info.replica_id);
        }));
  };
  if (!replica.info.parked) return send(replica);
  // A paused process cannot take its SIGTERM.
  client_->unpause(replica.info.container_id,
                   about<std::monostate>(id, [send](Replica& r, const Status&) {
                     r.info.parked = r.park_wanted = false;
                     send(r);
                   }));
}

// The stop of `id` is over, in whatever way: the next one's turn.
void DockerReplicas::next_leaves(const std::string& id) {
  if (leaving_ == id) leaving_.clear();
  for (auto& [other, replica] : replicas_) {
    if (!leaving_.empty()) return;
    if (replica.stop_asked && !replica.stop_sent && other != id) proceed(replica);
  }
}

// --- the end of one ------------------------------------------------------------------------------

void DockerReplicas::collect(Replica& replica) {
  if (replica.phase != Phase::Running && replica.phase != Phase::Creating) return;
  const Phase before = std::exchange(replica.phase, Phase::Leaving);
  client_->inspect(
      replica.info.container_id,
      about<ContainerInfo>(
          replica.info.replica_id, [this, before](Replica& r, Result<ContainerInfo> container) {
            const char* const kRemoved = "its container was removed from outside";
            if (!container && container.error().code == ErrorCode::NotFound) {
              return gone(r.info.replica_id, kRemoved);
            }
            if (!container) {  // looked at again when the engine is back
              r.phase = before;
              return;
            }
            if (container->state == "removing") return gone(r.info.replica_id, kRemoved);
            save_log(r, describe_exit(*container, options_.memory_bytes),
                     !r.stop_asked && container->exit_code != 0 && container->exit_code != 137);
          }));
}

void DockerReplicas::save_log(Replica& replica, std::string why, bool wants_last_words) {
  client_->logs(
      replica.info.container_id, kLogLines,
      about<std::string>(replica.info.replica_id, [this, why, wants_last_words](
                                                      Replica& r, const Result<std::string>& log) {
        std::string reason = why;
        if (log && !options_.run_dir.empty()) {
          const auto file = std::filesystem::path(options_.run_dir) / "logs" /
                            ("worker-" + r.info.replica_id + ".log");
          const Status written = write_file(file, *log);
          if (!written) spdlog::warn("{}", written.error().message);
        }
        const std::string said = log && wants_last_words ? last_line_of(*log) : "";
        if (!said.empty()) reason += "; it last said: " + said;
        remove(r, std::move(reason));
      }));
}

void DockerReplicas::remove(Replica& replica, std::string why) {
  client_->remove(
      replica.info.container_id, true,
      about<std::monostate>(replica.info.replica_id, [this, why](Replica& r, const Status& status) {
        if (!status) {
          spdlog::warn("the container of {} stays behind: {}", r.info.replica_id,
                       status.error().message);
        }
        gone(r.info.replica_id, why);
      }));
}

void DockerReplicas::gone(std::string id, std::string why) {
  const auto it = replicas_.find(id);
  if (it == replicas_.end()) return;
  const bool expected = it->second.stop_asked;
  replicas_.erase(it);
  next_leaves(id);
  emit({.kind = ReplicaEvent::Kind::Exited,
        .replica_id = std::move(id),
        .detail = std::move(why),
        .expected = expected});
}

// --- the engine's events -------------------------------------------------------------------------

void DockerReplicas::follow() {
  retry_.reset();
  client_->follow_events(
      {kOwnerLabel + ("=" + options_.owner)},
      [weak = weak_from_this()](const DockerEvent& event) {
        const auto self = weak.lock();
        if (self && self->client_) self->on_event(event);
      },
      [weak = weak_from_this()](const Status& ended) {
        const auto self = weak.lock();
        if (self && self->client_ && !ended) self->lost(ended.error());
      });
}

void DockerReplicas::lost(const Error& error) {
  if (std::exchange(connected_, false)) {
    spdlog::error("{}; trying again", error.message);
    retry_after_ = kFirstRetry;
  }
  away_because_ = error.message;
  retry_ = clock_.call_after(retry_after_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->client_) self->follow();
  });
  retry_after_ = std::min(retry_after_ * 2, kLongestRetry);
}

void DockerReplicas::reconcile() {
  client_->list({kOwnerLabel + ("=" + options_.owner)},
                [weak = weak_from_this()](const Result<std::vector<ContainerInfo>>& containers) {
                  const auto self = weak.lock();
                  if (!self || !self->client_) return;
                  // The stream ends as well then, and is opened again.
                  if (!containers) return;
                  if (!std::exchange(self->connected_, true)) {
                    spdlog::info("the Docker engine is back");
                    self->retry_after_ = kFirstRetry;
                  }
                  self->compare(*containers);
                });
}

void DockerReplicas::compare(const std::vector<ContainerInfo>& containers) {
  neighbours_.clear();
  std::map<std::string, std::string> state_of;
  for (const auto& container : containers) {
    state_of[container.id] = container.state;
    const std::string component = label_of(container.labels, kComponentLabel);
    if (!component.empty() && component != "worker" && container.state == "running") {
      neighbours_[component] = container.id;
    }
  }
  std::vector<std::string> ids;
  for (const auto& [id, replica] : replicas_) ids.push_back(id);
  for (const auto& id : ids) {
    Replica* replica = find(id);
    if (replica == nullptr || replica->phase != Phase::Running) continue;
    const auto it = state_of.find(replica->info.container_id);
    const std::string state = it == state_of.end() ? "" : it->second;
    if (state != "running" && state != "paused") {
      collect(*replica);
      continue;
    }
    if (!replica->park_busy) replica->info.parked = state == "paused";
    proceed(*replica);
  }
}

void DockerReplicas::on_event(const DockerEvent& event) {
  const std::string component = label_of(event.attributes, kComponentLabel);
  if (component != "worker") {
    if (event.action == "start") neighbours_[component] = event.id;
    const auto it = neighbours_.find(component);
    if (event.action == "die" && it != neighbours_.end() && it->second == event.id) {
      neighbours_.erase(it);
    }
    return;
  }
  Replica* replica = find_container(event.id);
  if (replica == nullptr) return;
  if (event.action == "die" || event.action == "destroy") return collect(*replica);
  if (event.action == "pause" && !replica->park_busy) replica->info.parked = true;
  if (event.action == "unpause" && !replica->park_busy) replica->info.parked = false;
}

}  // namespace spate::adapters
