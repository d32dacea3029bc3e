// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/docker_container.h"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

namespace spate::adapters {

ContainerSpec worker_container(const DockerActuatorOptions& options,
                               const scaling::ReplicaSpec& replica) {
  ContainerSpec spec;
  spec.name = fmt::format("spate-{}-{}", options.run_id, replica.replica_id);
  spec.image = options.image;
  spec.command = {"worker",           "--model",          replica.model_path,
                  "--route",          replica.model,      "--replica",
                  replica.replica_id, "--gateway",        options.gateway_address,
                  "--token-file",     options.token_file, "--mode",
                  replica.mode};
  spec.command.insert(spec.command.end(), {"--metrics-host", "0.0.0.0", "--metrics-port", "0"});
  // Over a socket file the gateway cannot see its address; the engine's name service has its name.
  if (options.gateway_address.starts_with("unix:")) {
    spec.command.insert(spec.command.end(), {"--metrics-advertise", spec.name});
  }
  // Huge pages for malloc: page faults are most of what loading a model costs.
  spec.environment = {{"GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"}};
  spec.labels = options.labels;
  spec.labels[kOwnerLabel] = options.owner;
  spec.labels[kRunLabel] = options.run_id;
  spec.labels[kComponentLabel] = "worker";
  spec.labels[kModelLabel] = replica.model;
  spec.labels[kReplicaLabel] = replica.replica_id;
  spec.mounts = options.mounts;
  spec.network = options.network;
  spec.user = options.user.empty() ? fmt::format("{}:{}", ::geteuid(), ::getegid()) : options.user;
  spec.memory_bytes = options.memory_bytes;
  return spec;
}

std::string describe_exit(const ContainerInfo& container, std::int64_t memory_bytes) {
  if (container.out_of_memory) {
    if (memory_bytes <= 0) return "killed: the machine ran out of memory";
    return fmt::format("killed: it needed more than its memory limit of {} MiB",
                       memory_bytes >> 20);
  }
  if (!container.error.empty()) return container.error;
  if (container.exit_code > 128 && container.exit_code < 128 + 65) {
    const int number = container.exit_code - 128;
    const char* name = ::sigabbrev_np(number);
    return name == nullptr ? fmt::format("killed by signal {}", number)
                           : fmt::format("killed by signal {} (SIG{})", number, name);
  }
  return fmt::format("exit status {}", container.exit_code);
}

std::string last_line_of(std::string_view log) {
  std::string_view best;
  while (!log.empty()) {
    const auto end = log.find('\n');
    const std::string_view line = log.substr(0, end);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) best = line;
    if (end == std::string_view::npos) break;
    log.remove_prefix(end + 1);
  }
  return std::string(best.substr(0, 300));
}

}  // namespace spate::adapters
