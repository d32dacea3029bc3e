// SPDX-License-Identifier: Apache-2.0
//
// ResourceMonitor: CPU, memory and throttling of every component: the gateway itself, broker,
// influx, and each worker; from cgroup files where a component has a group, else from /proc. A
// full reading costs some 20 µs per component, so the control loop takes CPU several times a
// second.
//
// Broker and influx are known by pid files <run>/components/<name>.pid, which whoever starts
// them writes.
//
// Threads: one at a time. It keeps no readings: totals go out, differences are the caller's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spate/adapters/cgroup.h"
#include "spate/adapters/child_process.h"
#include "spate/adapters/meter.h"
#include "spate/scaling/actuator.h"
#include "spate/scaling/sampler.h"

namespace spate::adapters {

class ResourceMonitor final : public Meter {
 public:
  // Where a worker's group is; nullptr for none. Nothing = no worker has one.
  using GroupOf = std::function<const Cgroup*(const std::string& replica)>;

  // `components`: folder of pid files; it need not exist yet.
  ResourceMonitor(std::filesystem::path components, GroupOf group_of);

  std::optional<scaling::RawReplica> read_worker_cpu(
      const scaling::ReplicaInfo& worker) const override;

  // Looks for new pid files, too.
  std::vector<ComponentReading> read_all(const std::vector<scaling::ReplicaInfo>& workers) override;

 private:
  void look_for_components();

  const std::filesystem::path components_;
  const GroupOf group_of_;
  std::map<std::string, ProcessIdentity> known_;  // by component
};

}  // namespace spate::adapters
