// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/machine.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "spate/base/files.h"

namespace spate::lab {
namespace {

// The value of the first line "key<separator>value" of `file`, without quotes; "" if none.
std::string value_in(const char* file, const std::string& key, char separator) {
  const auto text = read_file(file);
  if (!text) return "";
  std::istringstream lines(text.value());
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find(separator);
    if (at == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    std::string value = line.substr(at + 1);
    const auto first = value.find_first_not_of(" \t\"");
    const auto last = value.find_last_not_of(" \t\"");
    return first == std::string::npos ? "" : value.substr(first, last - first + 1);
  }
  return "";
}

// CPUs by the cgroup's quota; infinity without one.
double quota() {
  if (const auto v2 = read_file("/sys/fs/cgroup/cpu.max")) {
    std::istringstream in(v2.value());
    double most = 0, period = 0;
    if (in >> most >> period && period > 0) return most / period;
  }
  const auto v1_quota = read_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const auto v1_period = read_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (v1_quota && v1_period) {
    const double most = std::strtod(v1_quota->c_str(), nullptr);
    const double period = std::strtod(v1_period->c_str(), nullptr);
    if (most > 0 && period > 0) return most / period;
  }
  return INFINITY;
}

std::string cgroup_version() {
  std::error_code failed;
  if (std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers", failed)) return "v2";
  if (std::filesystem::exists("/sys/fs/cgroup/cpu", failed)) return "v1";
  return "none";
}

}  // namespace

Machine read_machine() {
  Machine out;
  out.cpu_model = value_in("/proc/cpuinfo", "model name", ':');
  if (out.cpu_model.empty()) out.cpu_model = value_in("/proc/cpuinfo", "Model", ':');
  out.cores_online = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t set;
  CPU_ZERO(&set);
  const int usable =
      ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : out.cores_online;
  out.cores = std::min(static_cast<double>(usable), quota());
  out.memory_gib =
      std::strtod(value_in("/proc/meminfo", "MemTotal", ':').c_str(), nullptr) / (1024.0 * 1024.0);
  utsname name{};
  if (::uname(&name) == 0) out.kernel = std::string(name.sysname) + " " + name.release;
  out.cgroup = cgroup_version();
  out.os = value_in("/etc/os-release", "PRETTY_NAME", '=');
  out.virtual_machine =
      value_in("/proc/cpuinfo", "flags", ':').find("hypervisor") != std::string::npos;
  return out;
}

nlohmann::json machine_json(const Machine& m) {
  return {{"cpu_model", m.cpu_model},
          {"cores", m.cores},
          {"cores_online", m.cores_online},
          {"memory_gib", m.memory_gib},
          {"kernel", m.kernel},
          {"cgroup", m.cgroup},
          {"os", m.os},
          {"virtual_machine", m.virtual_machine}};
}

}  // namespace spate::lab
