// SPDX-License-Identifier: Apache-2.0
//
// BackendConfig: where the gateway's workers run ("backend" in gateway.json): as processes beside
// it, or as containers of a Docker engine.
//
// Threads: any; plain data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"

namespace spate::gateway {

// "mounts", an entry: a folder of the engine's machine, or a volume's name, in every worker.
struct BackendMount {
  std::string source;  // absolute path, or a volume's name
  std::string target;  // absolute path
  bool read_only = true;
};

struct BackendConfig {
  std::string kind = "process";  // process | docker

  // --- docker only
  std::string socket = "/var/run/docker.sock";  // of the engine, as the gateway sees it
  std::string image = "spate:latest";           // its entry point is the `spate` program
  // Network of the workers. "none" (default): they reach the gateway by its Unix socket alone.
  std::string network = "none";
  // Whose containers these are: those of other runs of this owner are removed at start.
  // Default: the run_id.
  std::string owner;
  // How workers reach the gateway, "unix:/path" or "tcp:host:port". "" = as it listens.
  std::string worker_address;
  std::string worker_token_file;              // the token's file as workers see it; "" = token_file
  std::vector<BackendMount> mounts;           // "mounts"
  std::string user;                           // "uid:gid" of the workers; "" = the gateway's
  std::int64_t worker_memory_bytes = 0;       // memory limit of each, [16 MiB, 2^40]; 0 = none
  std::map<std::string, std::string> labels;  // further labels of the workers' containers
  // Where CPU and memory of containers are read: "cgroup" (files under cgroup_root), "stats" (the
  // engine's stream of statistics, one a second), "auto": files where they are to be seen.
  std::string meter = "auto";
  // Where the host's /sys/fs/cgroup is to be seen by the gateway.
  std::string cgroup_root = "/sys/fs/cgroup";
};

// Throws ConfigError with file, line, path, what was expected and what stands there.
// `run_id`: the owner where none is said.
BackendConfig read_backend_config(const ConfigReader& reader, const std::string& run_id);
// "backend" of a gateway.json; the default when there is none.
BackendConfig read_backend_config(const std::filesystem::path& file, const std::string& run_id);

}  // namespace spate::gateway
