// SPDX-License-Identifier: Apache-2.0
//
// ContainerMeter: what the components consume when workers are containers. Read from the files of
// their control groups where the host's can be seen, else from the engine's streams of statistics;
// source() says which. The gateway itself is read from /proc when it is no container of the
// owner's.
//
// Threads: the loop's.
#pragma once

#include <string>

#include "spate/adapters/docker/container_files.h"
#include "spate/adapters/docker/container_stats.h"
#include "spate/adapters/docker/docker_actuator.h"
#include "spate/adapters/meter.h"

namespace spate::adapters {

class ContainerMeter final : public Meter {
 public:
  struct Options {
    DockerOptions engine{};
    std::string how = "auto";  // auto | cgroup | stats
    std::string cgroup_root = "/sys/fs/cgroup";
  };
  // Borrows both, which must outlive it.
  ContainerMeter(boost::asio::io_context& loop, const DockerActuator& actuator, Options options);

  std::optional<scaling::RawReplica> read_worker_cpu(
      const scaling::ReplicaInfo& worker) const override;
  std::vector<ComponentReading> read_all(const std::vector<scaling::ReplicaInfo>& workers) override;

  // "cgroup_v1", "cgroup_v2", "engine_stats"; "undecided" until the first container was looked
  // for ("auto").
  std::string source() const;

 private:
  std::optional<ContainerUsage> read(const std::string& container_id) const;

  const DockerActuator& actuator_;
  const Options options_;
  // Reading remembers where groups are and opens streams; readings stay what they are.
  mutable ContainerFiles files_;
  mutable ContainerStats stats_;
  mutable std::optional<bool> by_files_;
  mutable int misses_ = 0;
};

}  // namespace spate::adapters
