// SPDX-License-Identifier: Apache-2.0
//
// DockerActuator: replicas as containers of a Docker engine, limits by the engine (NanoCpus).
//
// What runs is known from the engine's event stream, and from a list whenever the stream opens:
// an engine that was restarted, or a container that somebody removed, is noticed either way.
// While the engine is away nothing can be started (start() says so) and what was asked of running
// replicas is done when it is back.
//
// Ownership over a restart: by labels (docker_container.h). A new gateway of the same run adopts
// its containers; containers of other runs of the same owner are removed at start; no other is
// ever touched. Containers do not end with the gateway.
//
// A worker that has gone leaves its log in <run>/logs/worker-<replica>.log, and its last line in
// the event; then its container is removed.
//
// Threads: the loop's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spate/adapters/docker/docker_container.h"
#include "spate/adapters/docker/docker_start.h"
#include "spate/scaling/actuator.h"

namespace spate::adapters {

class DockerReplicas;

class DockerActuator final : public scaling::Actuator {
 public:
  using Options = DockerActuatorOptions;
  // Tells the worker (gateway::Control::announce_cpu_limit).
  using AnnounceLimit = std::function<void(const std::string& replica, double cpus)>;

  // Blocks while it looks at the engine (look_at_engine()). Borrows loop and clock, which must
  // outlive it.
  static Result<std::unique_ptr<DockerActuator>> create(boost::asio::io_context& loop, Clock& clock,
                                                        Options options, AnnounceLimit announce);
  // Ends nothing: containers go on, for the next gateway.
  ~DockerActuator() override;

  std::string_view name() const override { return "docker"; }
  scaling::LimitMechanism limit_mechanism() const override {
    return scaling::LimitMechanism::Engine;
  }
  void set_event_handler(EventHandler handler) override;
  Status start(const scaling::ReplicaSpec& spec) override;
  // A limit above the machine's CPUs is cut to them; the event says so.
  Status set_cpu_limit(const std::string& replica_id, double cpus) override;
  // The engine's pause: the kernel's freezer.
  Status park(const std::string& replica_id) override;
  Status unpark(const std::string& replica_id) override;
  Status stop(const std::string& replica_id, Duration grace) override;
  std::vector<scaling::ReplicaInfo> list() const override;

  const EngineFacts& engine() const;
  // The event stream is open: what list() says is what the engine says.
  bool connected() const;
  // Containers of the same owner that are no workers: broker, influx, the gateway itself. Id by
  // component.
  const std::map<std::string, std::string>& neighbours() const;

 private:
  explicit DockerActuator(std::shared_ptr<DockerReplicas> replicas);
  std::shared_ptr<DockerReplicas> replicas_;
};

}  // namespace spate::adapters
