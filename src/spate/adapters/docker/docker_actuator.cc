// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/docker_actuator.h"

#include <spdlog/spdlog.h>

#include "spate/adapters/docker/docker_replicas.h"

namespace spate::adapters {

using scaling::ReplicaInfo;

DockerActuator::DockerActuator(std::shared_ptr<DockerReplicas> replicas)
    : replicas_(std::move(replicas)) {}
DockerActuator::~DockerActuator() { replicas_->close(); }

Result<std::unique_ptr<DockerActuator>> DockerActuator::create(boost::asio::io_context& loop,
                                                               Clock& clock, Options options,
                                                               AnnounceLimit announce) {
  auto found = look_at_engine(options);
  if (!found) return found.error();
  for (const auto& name : found->removed) spdlog::info("removed the container {}", name);
  auto replicas =
      std::make_shared<DockerReplicas>(loop, clock, std::move(options), std::move(announce));
  replicas->begin(std::move(*found));
  return std::unique_ptr<DockerActuator>(new DockerActuator(std::move(replicas)));
}

void DockerActuator::set_event_handler(EventHandler handler) {
  replicas_->set_event_handler(std::move(handler));
}
Status DockerActuator::start(const scaling::ReplicaSpec& spec) { return replicas_->start(spec); }
Status DockerActuator::set_cpu_limit(const std::string& replica_id, double cpus) {
  return replicas_->set_cpu_limit(replica_id, cpus);
}
Status DockerActuator::park(const std::string& replica_id) {
  return replicas_->park(replica_id, true);
}
Status DockerActuator::unpark(const std::string& replica_id) {
  return replicas_->park(replica_id, false);
}
Status DockerActuator::stop(const std::string& replica_id, Duration grace) {
  return replicas_->stop(replica_id, grace);
}
std::vector<ReplicaInfo> DockerActuator::list() const { return replicas_->list(); }
const EngineFacts& DockerActuator::engine() const { return replicas_->engine(); }
bool DockerActuator::connected() const { return replicas_->connected(); }
const std::map<std::string, std::string>& DockerActuator::neighbours() const {
  return replicas_->neighbours();
}

}  // namespace spate::adapters
