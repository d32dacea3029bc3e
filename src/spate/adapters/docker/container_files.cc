// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/container_files.h"

#include <charconv>
#include <sstream>
#include <system_error>

#include "spate/base/files.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 6;          // levels below the top at which containers are looked for
constexpr int kMostFolders = 20000;  // looked into, at most

std::optional<std::uint64_t> number_in(const fs::path& file) {
  const auto text = read_file(file);
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end == text->data()) return std::nullopt;
  return value;
}

// Lines "name value".
std::map<std::string, std::uint64_t> table_in(const fs::path& file) {
  std::map<std::string, std::uint64_t> out;
  const auto text = read_file(file);
  if (!text) return out;
  std::istringstream lines(*text);
  std::string name;
  for (std::uint64_t value = 0; lines >> name >> value;) out[name] = value;
  return out;
}

std::uint64_t at(const std::map<std::string, std::uint64_t>& table, const char* name) {
  const auto it = table.find(name);
  return it == table.end() ? 0 : it->second;
}

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345": the total, in microseconds.
std::optional<double> stalled_in(const fs::path& file) {
  const auto text = read_file(file);
  if (!text || !text->starts_with("some ")) return std::nullopt;
  const auto place = text->find("total=");
  if (place == std::string::npos) return std::nullopt;
  std::uint64_t us = 0;
  const char* const from = text->data() + place + 6;
  const auto [end, error] = std::from_chars(from, text->data() + text->size(), us);
  if (error != std::errc{}) return std::nullopt;
  return static_cast<double>(us) * 1e-6;
}

// A hierarchy may be mounted under the names of all its controllers.
fs::path hierarchy(const fs::path& root, std::initializer_list<const char*> names) {
  std::error_code none;
  for (const char* name : names) {
    if (fs::is_directory(root / name, none)) return root / name;
  }
  return {};
}

}  // namespace

ContainerFiles::ContainerFiles(fs::path root) : root_(std::move(root)) {
  std::error_code none;
  if (fs::exists(root_ / "cgroup.controllers", none)) {
    version_ = 2;
    top_ = root_;
    return;
  }
  cpuacct_ = hierarchy(root_, {"cpuacct", "cpu,cpuacct"});
  cpu_ = hierarchy(root_, {"cpu", "cpu,cpuacct"});
  memory_ = hierarchy(root_, {"memory"});
  if (cpuacct_.empty()) return;
  version_ = 1;
  top_ = cpuacct_;
}

std::optional<ContainerUsage> ContainerFiles::read(const std::string& container_id) {
  if (version_ == 0 || container_id.empty()) return std::nullopt;
  auto it = groups_.find(container_id);
  if (it == groups_.end()) {
    const auto found = locate(container_id);
    if (!found) return std::nullopt;
    it = groups_.emplace(container_id, *found).first;
  }
  auto usage = version_ == 2 ? read_v2(it->second) : read_v1(it->second);
  if (!usage) groups_.erase(it);  // it is gone
  return usage;
}

std::optional<fs::path> ContainerFiles::locate(const std::string& container_id) {
  std::error_code none;
  const std::string names[] = {container_id, "docker-" + container_id + ".scope"};
  for (const auto& parent : parents_) {
    for (const auto& name : names) {
      if (fs::is_directory(top_ / parent / name, none)) return parent / name;
    }
  }
  int looked = 0;
  for (fs::recursive_directory_iterator entry(top_, fs::directory_options::skip_permission_denied,
                                              none);
       !none && entry != fs::recursive_directory_iterator() && looked < kMostFolders;
       entry.increment(none)) {
    if (entry->is_symlink(none) || !entry->is_directory(none)) continue;
    ++looked;
    if (entry.depth() + 1 >= kDeepest) entry.disable_recursion_pending();
    const std::string name = entry->path().filename().string();
    if (name != names[0] && name != names[1]) continue;
    const fs::path group = entry->path().lexically_relative(top_);
    parents_.push_back(group.parent_path());
    return group;
  }
  return std::nullopt;
}

std::optional<ContainerUsage> ContainerFiles::read_v1(const fs::path& group) const {
  const auto ns = number_in(cpuacct_ / group / "cpuacct.usage");
  if (!ns) return std::nullopt;
  ContainerUsage out;
  out.cpu_seconds = static_cast<double>(*ns) * 1e-9;
  if (!cpu_.empty()) {
    const auto cpu = table_in(cpu_ / group / "cpu.stat");
    out.periods = at(cpu, "nr_periods");
    out.throttled_periods = at(cpu, "nr_throttled");
  }
  if (!memory_.empty()) {
    const auto memory = table_in(memory_ / group / "memory.stat");
    const std::uint64_t used = number_in(memory_ / group / "memory.usage_in_bytes").value_or(0);
    const std::uint64_t idle = at(memory, "total_inactive_file");
    out.memory_bytes = used > idle ? used - idle : used;
    out.private_bytes = at(memory, "total_rss");
  }
  return out;
}

std::optional<ContainerUsage> ContainerFiles::read_v2(const fs::path& group) const {
  const fs::path folder = root_ / group;
  const auto cpu = table_in(folder / "cpu.stat");
  if (!cpu.contains("usage_usec")) return std::nullopt;
  ContainerUsage out;
  out.cpu_seconds = static_cast<double>(at(cpu, "usage_usec")) * 1e-6;
  out.periods = at(cpu, "nr_periods");
  out.throttled_periods = at(cpu, "nr_throttled");
  const auto memory = table_in(folder / "memory.stat");
  const std::uint64_t used = number_in(folder / "memory.current").value_or(0);
  const std::uint64_t idle = at(memory, "inactive_file");
  out.memory_bytes = used > idle ? used - idle : used;
  out.private_bytes = at(memory, "anon");
  out.cpu_stalled_s = stalled_in(folder / "cpu.pressure");
  out.memory_stalled_s = stalled_in(folder / "memory.pressure");
  return out;
}

}  // namespace spate::adapters
