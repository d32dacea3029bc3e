// SPDX-License-Identifier: Apache-2.0
//
// cgroup: CPU limits and CPU accounting by the kernel's control groups, version 1 or 2.
//
//   <where our own process is, or the nearest place above it that allows it>/
//     spate-<run>/            CgroupParent
//       resnet50-1/           Cgroup: one replica
//       resnet50-2/
//
// Version 1 is used where its cpu controller is mounted, else version 2. In version 2 a group
// can only hand the cpu controller to its children if it holds no process itself, so the
// parent is made at our own group or at the nearest one above that can.
//
// Everything takes the place of /proc/self as an argument, so both versions are tested on a
// tree of plain files too. Files that are read often stay open (a read costs a fifth).
//
// Used by the process actuator and the resource monitor. Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spate/adapters/fd.h"
#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace spate::adapters {

enum class CgroupVersion { V1, V2 };

// Where groups for CPU limits would be made.
struct CgroupPlace {
  CgroupVersion version = CgroupVersion::V1;
  // V1: our group in the cpu controller. V2: our group.
  std::filesystem::path cpu{};
  // V1 only: our group in the cpuacct controller (may equal `cpu`).
  std::filesystem::path cpuacct{};
  std::filesystem::path mount{};  // climbing (V2) ends here
};

// Reads `proc_self`/mountinfo and `proc_self`/cgroup. NotFound when no hierarchy with a cpu
// controller is mounted. Says nothing about rights.
Result<CgroupPlace> find_cgroup_place(const std::filesystem::path& proc_self = "/proc/self");

// Totals since the group was made.
struct CgroupUsage {
  double cpu_seconds = 0.0;
  std::uint64_t periods = 0;            // CFS periods with something to run; 0 without a quota
  std::uint64_t throttled_periods = 0;  // those in which the quota ran out
  double throttled_seconds = 0.0;       // over all CPUs
  std::optional<std::uint64_t> memory_bytes{};  // V2 with the memory controller only
};

// One replica's group. The destructor closes files; it does not remove the group.
class Cgroup {
 public:
  // The files into which a process writes itself to join (one for V2, one or two for V1).
  const std::vector<std::filesystem::path>& procs_files() const { return procs_files_; }
  Status add(pid_t pid);

  // CPUs; 0 = no limit. In force when it returns. InvalidArgument below 0.01 (the kernel's least
  // quota is 1 ms).
  Status set_cpu_limit(double cpus);
  // What the kernel says is in force; 0 = none.
  Result<double> cpu_limit() const;
  Result<CgroupUsage> read() const;

  // Removes the group. Unavailable while a process is in it.
  Status remove();

 private:
  friend class CgroupParent;
  Cgroup(CgroupVersion version, std::vector<std::filesystem::path> folders, Duration period)
      : version_(version), folders_(std::move(folders)), period_(period) {}
  Status open();

  CgroupVersion version_;
  std::vector<std::filesystem::path> folders_;  // cpu first
  Duration period_;
  std::vector<std::filesystem::path> procs_files_;
  Fd quota_;   // V1 cpu.cfs_quota_us, V2 cpu.max
  Fd stat_;    // cpu.stat
  Fd usage_;   // V1 cpuacct.usage
  Fd memory_;  // V2 memory.current, if there
};

class CgroupParent {
 public:
  struct Options {
    std::filesystem::path proc_self = "/proc/self";
    // CFS period. Longer: more throughput, bimodal latency of short requests; shorter: smoother,
    // costs some throughput (10 ms costs an int8 model a fifth). The kernel allows 1 ms to 1 s.
    Duration period = std::chrono::milliseconds(100);
  };

  // Makes (or finds) the group `name` and proves that a replica's group under it works. An error
  // says what is missing: not mounted, read-only, no rights, controller not delegated.
  static Result<std::unique_ptr<CgroupParent>> open(const std::string& name,
                                                    const Options& options);

  CgroupVersion version() const { return version_; }
  const std::filesystem::path& folder() const { return folders_.front(); }

  // The replica's group, made if it is not there (a restarted gateway finds its own).
  Result<std::unique_ptr<Cgroup>> make(const std::string& replica);

  // Removes what it can: empty groups under it, then itself. Unavailable when one was not empty.
  Status remove();
  // Removes groups "spate-*" beside it that hold no process: what killed runs left behind. A live
  // run between making a group and starting its worker may lose the empty group; the actuator
  // then makes it again. Returns how many top-level groups went.
  int sweep_siblings() const;

 private:
  CgroupParent(CgroupVersion version, std::vector<std::filesystem::path> folders, Duration period)
      : version_(version), folders_(std::move(folders)), period_(period) {}

  CgroupVersion version_;
  std::vector<std::filesystem::path> folders_;  // cpu first
  Duration period_;
};

}  // namespace spate::adapters
