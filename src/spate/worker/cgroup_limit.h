// SPDX-License-Identifier: Apache-2.0
//
// CgroupLimit: reads the CPU limit of the process's own cgroup and those above it, version 2
// (cpu.max) and 1 (cpu.cfs_quota_us), as often as once a second, so that a worker follows a limit
// that anybody changed: the gateway, a container engine, a person.
//
// Threads: one at a time.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spate::worker {

// "max 100000" -> 0 (no limit), "30000 100000" -> 0.3. Nothing when it is neither.
std::optional<double> parse_cpu_max(std::string_view text);
// cfs_quota_us (-1: no limit) and cfs_period_us, the same way.
std::optional<double> parse_cfs(std::string_view quota, std::string_view period);

class CgroupLimit {
 public:
  // `proc_self`: where `cgroup` and `mountinfo` are; another folder in tests.
  explicit CgroupLimit(std::filesystem::path proc_self = "/proc/self");

  // The smallest limit on the way from the own cgroup to the root of what is mounted, in CPUs;
  // 0: none of them limits; nothing: no CPU controller can be read here. Notices when the
  // process was moved to another cgroup. Does not block.
  std::optional<double> read();

 private:
  void locate(const std::string& memberships);

  std::filesystem::path proc_self_;
  std::string memberships_;  // /proc/self/cgroup as last seen
  bool v2_ = false;
  std::vector<std::filesystem::path> groups_;  // own first, then its parents
};

}  // namespace spate::worker
