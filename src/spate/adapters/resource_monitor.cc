// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/resource_monitor.h"

#include <unistd.h>

#include <charconv>
#include <system_error>
#include <utility>

#include "spate/adapters/proc_files.h"
#include "spate/base/files.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;

std::optional<ComponentReading> read_process(std::string component, pid_t pid) {
  const auto memory = read_memory(pid);
  const auto cpu = read_cpu_time(pid);
  if (!memory || !cpu) return std::nullopt;
  ComponentReading out;
  out.component = std::move(component);
  out.cpu_seconds = to_seconds(*cpu);
  out.memory_bytes = memory->resident_bytes;
  out.private_bytes = memory->private_bytes;
  return out;
}

}  // namespace

ResourceMonitor::ResourceMonitor(fs::path components, GroupOf group_of)
    : components_(std::move(components)), group_of_(std::move(group_of)) {}

std::optional<scaling::RawReplica> ResourceMonitor::read_worker_cpu(
    const scaling::ReplicaInfo& worker) const {
  scaling::RawReplica out;
  out.id = worker.replica_id;
  const Cgroup* group = group_of_ ? group_of_(worker.replica_id) : nullptr;
  if (group != nullptr) {
    const auto usage = group->read();
    if (!usage) return std::nullopt;
    out.cpu_seconds = usage->cpu_seconds;
    out.cfs_periods = usage->periods;
    out.cfs_throttled_periods = usage->throttled_periods;
    return out;
  }
  if (worker.pid <= 0) return std::nullopt;
  const auto cpu = read_cpu_time(static_cast<pid_t>(worker.pid));
  if (!cpu) return std::nullopt;
  out.cpu_seconds = to_seconds(*cpu);
  return out;
}

std::vector<ComponentReading> ResourceMonitor::read_all(
    const std::vector<scaling::ReplicaInfo>& workers) {
  std::vector<ComponentReading> out;
  if (auto self = read_process("gateway", ::getpid())) out.push_back(std::move(*self));
  look_for_components();
  for (const auto& [name, process] : known_) {
    if (auto reading = read_process(name, process.pid)) out.push_back(std::move(*reading));
  }
  for (const auto& worker : workers) {
    ComponentReading reading;
    reading.component = "worker";
    reading.model = worker.model;
    reading.replica = worker.replica_id;
    const auto cpu = read_worker_cpu(worker);
    if (!cpu) continue;
    reading.cpu_seconds = cpu->cpu_seconds;
    reading.cfs_periods = cpu->cfs_periods;
    reading.cfs_throttled_periods = cpu->cfs_throttled_periods;
    if (const auto memory = read_memory(static_cast<pid_t>(worker.pid))) {
      reading.memory_bytes = memory->resident_bytes;
      reading.private_bytes = memory->private_bytes;
    }
    out.push_back(std::move(reading));
  }
  return out;
}

void ResourceMonitor::look_for_components() {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(components_, ignored)) {
    if (entry.path().extension() != ".pid") continue;
    const std::string name = entry.path().stem().string();
    if (name == "gateway") continue;  // ourselves
    if (const auto it = known_.find(name); it != known_.end()) {
      if (is_running(it->second)) continue;
      known_.erase(it);
    }
    const auto text = read_file(entry.path());
    if (!text) continue;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), pid);
    if (error != std::errc{} || pid <= 0) continue;
    if (const auto identity = identify_process(pid)) known_[name] = *identity;
  }
}

}  // namespace spate::adapters
