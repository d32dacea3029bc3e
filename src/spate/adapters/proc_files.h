// SPDX-License-Identifier: Apache-2.0
//
// proc_files: what /proc tells about a process. Used by the resource monitor for processes that
// have no cgroup of their own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "spate/base/clock.h"

namespace spate::adapters {

struct ProcessMemory {
  std::uint64_t resident_bytes = 0;
  // Pages no other process shares by mapping the same file: resident minus file and shared
  // memory pages. A replica's model weights, mapped from one file, are not in it.
  std::uint64_t private_bytes = 0;
};

// Nothing when the process is gone.
std::optional<ProcessMemory> read_memory(pid_t pid);

// CPU time of all threads of `pid`, to the nanosecond; nothing when it is gone.
std::optional<Duration> read_cpu_time(pid_t pid);

}  // namespace spate::adapters
