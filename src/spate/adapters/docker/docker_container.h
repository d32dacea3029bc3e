// SPDX-License-Identifier: Apache-2.0
//
// What a worker's container is made of, and the labels by which Spate knows its containers. A
// container without our owner's label is never listed, changed or removed.
//
// Threads: any; plain data and pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "spate/adapters/docker/docker_client.h"
#include "spate/scaling/actuator.h"

namespace spate::adapters {

// Whose containers these are: one deployment, or one `spate run`. Runs of one owner follow each
// other, so what carries our owner and another run is an orphan.
inline constexpr const char* kOwnerLabel = "spate.owner";
inline constexpr const char* kRunLabel = "spate.run";
inline constexpr const char* kComponentLabel =
    "spate.component";                                         // worker, gateway, broker, influx
inline constexpr const char* kModelLabel = "spate.model";      // workers only
inline constexpr const char* kReplicaLabel = "spate.replica";  // workers only

struct DockerActuatorOptions {
  DockerOptions engine;
  std::string owner;            // see kOwnerLabel
  std::string run_id;           // part of the containers' names, with the replica's id
  std::string run_dir;          // logs/worker-<replica>.log is written when a worker has gone
  std::string image = "spate";  // its entry point is the `spate` program
  // Network of the workers. "none": they reach the gateway by a Unix socket in a mounted folder,
  // and nothing else; also the quickest to start.
  std::string network = "none";
  std::string gateway_address;    // as the workers see it: "unix:/…" or "tcp:host:port"
  std::string token_file;         // as the workers see it; lies in one of `mounts`
  std::vector<Mount> mounts;      // run folder, models
  std::string user;               // "uid:gid"; "" = ours
  std::int64_t memory_bytes = 0;  // limit of each worker; 0 = none
  std::map<std::string, std::string> labels;  // further ones
};

// The container of one replica, without a CPU limit (start-up boost).
ContainerSpec worker_container(const DockerActuatorOptions& options,
                               const scaling::ReplicaSpec& replica);

// "exit status 3", "killed by signal 9 (SIGKILL)", "killed: it needed more than its memory limit
// of 64 MiB". `memory_bytes` 0 = no limit of its own.
std::string describe_exit(const ContainerInfo& container, std::int64_t memory_bytes);

// The last line with something on it, at most 300 characters: most often the reason of an exit.
std::string last_line_of(std::string_view log);

}  // namespace spate::adapters
