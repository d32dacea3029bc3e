// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/proc_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "spate/base/files.h"
#include "spate/base/real_clock.h"

namespace spate::adapters {

std::optional<ProcessMemory> read_memory(pid_t pid) {
  const auto text = read_file(fmt::format("/proc/{}/statm", pid));
  if (!text) return std::nullopt;
  unsigned long long size = 0;
  unsigned long long resident = 0;
  unsigned long long shared = 0;
  if (std::sscanf(text->c_str(), "%llu %llu %llu", &size, &resident, &shared) != 3) {
    return std::nullopt;
  }
  if (size == 0) return std::nullopt;  // a zombie
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return ProcessMemory{.resident_bytes = resident * page,
                       .private_bytes = (resident - std::min(shared, resident)) * page};
}

std::optional<Duration> read_cpu_time(pid_t pid) { return cpu_time_of_process(pid); }

}  // namespace spate::adapters
