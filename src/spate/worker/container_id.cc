// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/container_id.h"

#include <sstream>

#include "spate/base/files.h"

namespace spate::worker {

std::string_view find_container_id(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (std::size_t at = 0; at < text.size();) {
    const auto begin = text.find_first_of(kHex, at);
    if (begin == std::string_view::npos) break;
    const auto end = std::min(text.find_first_not_of(kHex, begin), text.size());
    if (end - begin == 64) return text.substr(begin, 64);
    at = end;
  }
  return {};
}

std::string container_id(const std::filesystem::path& proc_self) {
  if (const auto cgroup = read_file(proc_self / "cgroup")) {
    if (const auto id = find_container_id(*cgroup); !id.empty()) return std::string(id);
  }
  if (const auto mounts = read_file(proc_self / "mountinfo")) {
    std::istringstream lines(*mounts);
    for (std::string line; std::getline(lines, line);) {
      if (line.find(" /etc/hostname ") == std::string::npos) continue;
      return std::string(find_container_id(line));
    }
  }
  return "";
}

}  // namespace spate::worker
