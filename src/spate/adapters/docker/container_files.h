// SPDX-License-Identifier: Apache-2.0
//
// ContainerFiles: what a container consumes, from its control group's files under the host's
// /sys/fs/cgroup. Where the group is, is found by the container's id:
//
//              cgroupfs driver                systemd driver
//   version 1  <controller>/docker/<id>       <controller>/system.slice/docker-<id>.scope
//   version 2  docker/<id>                    system.slice/docker-<id>.scope
//
// and below another parent where the engine has --cgroup-parent: it is looked for once, and the
// parent remembered.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace spate::adapters {

// Totals since the container started, and memory now.
struct ContainerUsage {
  double cpu_seconds = 0.0;
  std::uint64_t memory_bytes = 0;   // without file pages that the kernel can drop at once
  std::uint64_t private_bytes = 0;  // not backed by files
  std::uint64_t periods = 0;        // CFS periods with something to run; 0 without a limit
  std::uint64_t throttled_periods = 0;
  std::optional<double> cpu_stalled_s;     // version 2
  std::optional<double> memory_stalled_s;  // version 2
};

class ContainerFiles {
 public:
  explicit ContainerFiles(std::filesystem::path root);

  // 1 or 2; 0 when `root` holds no control groups.
  int version() const { return version_; }
  // Nothing when the container's group is not there.
  std::optional<ContainerUsage> read(const std::string& container_id);

 private:
  // A group's folder in the hierarchy that counts CPU time, relative to its top.
  std::optional<std::filesystem::path> locate(const std::string& container_id);
  std::optional<ContainerUsage> read_v1(const std::filesystem::path& group) const;
  std::optional<ContainerUsage> read_v2(const std::filesystem::path& group) const;

  const std::filesystem::path root_;
  int version_ = 0;
  std::filesystem::path cpu_, cpuacct_, memory_;         // version 1: tops of the hierarchies
  std::filesystem::path top_;                            // where groups are looked for
  std::map<std::string, std::filesystem::path> groups_;  // by container id
  std::vector<std::filesystem::path> parents_;           // in which containers were found
};

}  // namespace spate::adapters
