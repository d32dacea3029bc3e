// SPDX-License-Identifier: Apache-2.0
//
// ContainerStats: what a container consumes, from the engine's stream of statistics: for a gateway
// that cannot see the host's control groups. One stream per container; the engine sends a line
// about once a second, so readings are up to a second old.
//
// Threads: the loop's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "spate/adapters/docker/container_files.h"
#include "spate/adapters/docker/docker_client.h"

namespace spate::adapters {

// One line of the stream; nothing when it is none, or of a container that does not run.
std::optional<ContainerUsage> parse_stats(std::string_view line);

class ContainerStats {
 public:
  // Borrows the loop, which must outlive it.
  ContainerStats(boost::asio::io_context& loop, DockerOptions engine);
  ~ContainerStats();
  ContainerStats(const ContainerStats&) = delete;
  ContainerStats& operator=(const ContainerStats&) = delete;

  // The newest reading; the first call opens the stream, so it has none yet. After the stream's end
  // (the container's, the engine's) the next call opens another.
  std::optional<ContainerUsage> read(const std::string& container_id);

 private:
  struct Stream;
  boost::asio::io_context& loop_;
  const DockerOptions engine_;
  std::map<std::string, std::shared_ptr<Stream>> streams_;  // by container id
};

}  // namespace spate::adapters
