// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/cgroup_limit.h"

#include <charconv>
#include <sstream>

#include "spate/base/files.h"

namespace spate::worker {
namespace {

namespace fs = std::filesystem;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return text;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  text = trim(text);
  std::int64_t value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || at != text.data() + text.size()) return std::nullopt;
  return value;
}

// Is `word` one of the comma-separated `list`?
bool lists(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

struct Mount {
  fs::path root;   // which cgroup is mounted
  fs::path point;  // where
};

// The mount of the v2 hierarchy, or of v1's cpu controller, in a mountinfo text (proc(5)).
std::optional<Mount> find_mount(const std::string& mountinfo, bool v2) {
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream head(line.substr(0, dash));
    std::istringstream tail(line.substr(dash + 3));
    std::string id, parent, device, root, point, type, source, options;
    head >> id >> parent >> device >> root >> point;
    tail >> type >> source >> options;
    if (v2 ? type == "cgroup2" : type == "cgroup" && lists(options, "cpu")) {
      return Mount{root, point};
    }
  }
  return std::nullopt;
}

// The path of the own cgroup in /proc/self/cgroup (cgroups(7)): "0::/a/b" or "4:cpu,cpuacct:/a/b".
std::optional<std::string> membership(const std::string& text, bool v2) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? controllers.empty() : lists(controllers, "cpu")) return line.substr(second + 1);
  }
  return std::nullopt;
}

}  // namespace

std::optional<double> parse_cpu_max(std::string_view text) {
  text = trim(text);
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto period = whole_number(text.substr(space + 1));
  if (!period || *period <= 0) return std::nullopt;
  if (text.substr(0, space) == "max") return 0.0;
  const auto quota = whole_number(text.substr(0, space));
  if (!quota || *quota <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

std::optional<double> parse_cfs(std::string_view quota_text, std::string_view period_text) {
  const auto quota = whole_number(quota_text);
  const auto period = whole_number(period_text);
  if (!quota || !period || *period <= 0 || *quota == 0) return std::nullopt;
  return *quota < 0 ? 0.0 : static_cast<double>(*quota) / static_cast<double>(*period);
}

CgroupLimit::CgroupLimit(fs::path proc_self) : proc_self_(std::move(proc_self)) {}

void CgroupLimit::locate(const std::string& memberships) {
  memberships_ = memberships;
  groups_.clear();
  const auto mountinfo = read_file(proc_self_ / "mountinfo");
  if (!mountinfo) return;
  // On a hybrid machine both exist and the cpu controller is v1's.
  for (const bool v2 : {false, true}) {
    const auto mount = find_mount(*mountinfo, v2);
    const auto path = membership(memberships, v2);
    if (!mount || !path) continue;
    v2_ = v2;
    // In a container the group's path may be the host's while only its own part is mounted.
    const fs::path inside = fs::path(*path).lexically_relative(mount->root);
    fs::path group = mount->point;
    if (!inside.empty() && *inside.begin() != "..") group = (group / inside).lexically_normal();
    while (group.native().size() > 1 && !group.has_filename()) group = group.parent_path();
    for (;; group = group.parent_path()) {
      groups_.push_back(group);
      if (group == mount->point || group == group.parent_path()) break;
    }
    return;
  }
}

std::optional<double> CgroupLimit::read() {
  const auto memberships = read_file(proc_self_ / "cgroup");
  if (!memberships) return std::nullopt;
  if (*memberships != memberships_) locate(*memberships);
  std::optional<double> smallest;
  for (const fs::path& group : groups_) {
    std::optional<double> limit;
    if (v2_) {
      // The root group has no cpu.max.
      if (const auto text = read_file(group / "cpu.max")) limit = parse_cpu_max(*text);
    } else {
      const auto quota = read_file(group / "cpu.cfs_quota_us");
      const auto period = read_file(group / "cpu.cfs_period_us");
      if (quota && period) limit = parse_cfs(*quota, *period);
    }
    if (!limit) continue;
    if (!smallest || (*limit > 0.0 && (*smallest <= 0.0 || *limit < *smallest))) smallest = limit;
  }
  return smallest;
}

}  // namespace spate::worker
