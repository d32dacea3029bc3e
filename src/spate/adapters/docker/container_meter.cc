// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/docker/container_meter.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "spate/adapters/proc_files.h"

namespace spate::adapters {
namespace {

constexpr int kMisses = 3;

ComponentReading reading_of(std::string component, const ContainerUsage& usage) {
  ComponentReading out;
  out.component = std::move(component);
  out.cpu_seconds = usage.cpu_seconds;
  out.memory_bytes = usage.memory_bytes;
  out.private_bytes = usage.private_bytes;
  out.cfs_periods = usage.periods;
  out.cfs_throttled_periods = usage.throttled_periods;
  out.cpu_stalled_s = usage.cpu_stalled_s;
  out.memory_stalled_s = usage.memory_stalled_s;
  return out;
}

std::optional<ComponentReading> read_ourselves() {
  const auto memory = read_memory(::getpid());
  const auto cpu = read_cpu_time(::getpid());
  if (!memory || !cpu) return std::nullopt;
  ComponentReading out;
  out.component = "gateway";
  out.cpu_seconds = to_seconds(*cpu);
  out.memory_bytes = memory->resident_bytes;
  out.private_bytes = memory->private_bytes;
  return out;
}

}  // namespace

ContainerMeter::ContainerMeter(boost::asio::io_context& loop, const DockerActuator& actuator,
                               Options options)
    : actuator_(actuator),
      options_(std::move(options)),
      files_(options_.cgroup_root),
      stats_(loop, options_.engine) {
  if (options_.how == "cgroup") by_files_ = true;
  if (options_.how == "stats" || (options_.how == "auto" && files_.version() == 0)) {
    by_files_ = false;
  }
}

std::string ContainerMeter::source() const {
  if (!by_files_) return "undecided";
  if (!*by_files_) return "engine_stats";
  return files_.version() == 2 ? "cgroup_v2" : "cgroup_v1";
}

std::optional<ContainerUsage> ContainerMeter::read(const std::string& container_id) const {
  if (container_id.empty()) return std::nullopt;
  if (by_files_) return *by_files_ ? files_.read(container_id) : stats_.read(container_id);
  // The first containers decide: is the host's tree to be seen here, or only our own group? One
  // that is not found may have just ended.
  auto usage = files_.read(container_id);
  if (!usage && ++misses_ < kMisses) return std::nullopt;
  by_files_ = usage.has_value();
  spdlog::info("CPU and memory of containers: {}",
               *by_files_ ? "control group files under " + options_.cgroup_root
                          : "the engine's statistics, one reading a second; " +
                                options_.cgroup_root + " does not show the host's groups");
  return usage;
}

std::optional<scaling::RawReplica> ContainerMeter::read_worker_cpu(
    const scaling::ReplicaInfo& worker) const {
  if (worker.pid == 0) return std::nullopt;  // not started yet
  const auto usage = read(worker.container_id);
  if (!usage) return std::nullopt;
  scaling::RawReplica out;
  out.id = worker.replica_id;
  out.cpu_seconds = usage->cpu_seconds;
  out.cfs_periods = usage->periods;
  out.cfs_throttled_periods = usage->throttled_periods;
  return out;
}

std::vector<ComponentReading> ContainerMeter::read_all(
    const std::vector<scaling::ReplicaInfo>& workers) {
  std::vector<ComponentReading> out;
  bool gateway = false;
  for (const auto& [component, id] : actuator_.neighbours()) {
    const auto usage = read(id);
    if (!usage) continue;
    gateway = gateway || component == "gateway";
    out.push_back(reading_of(component, *usage));
  }
  if (!gateway) {
    if (auto ourselves = read_ourselves()) out.push_back(std::move(*ourselves));
  }
  for (const auto& worker : workers) {
    if (worker.pid == 0) continue;
    const auto usage = read(worker.container_id);
    if (!usage) continue;
    ComponentReading reading = reading_of("worker", *usage);
    reading.model = worker.model;
    reading.replica = worker.replica_id;
    out.push_back(std::move(reading));
  }
  return out;
}

}  // namespace spate::adapters
