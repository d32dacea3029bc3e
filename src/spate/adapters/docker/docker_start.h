// SPDX-License-Identifier: Apache-2.0
//
// What the docker actuator does before it begins: looks whether the engine can be used, clears
// away what earlier runs of the same owner left, and finds the workers of this run.
#pragma once

#include <string>
#include <vector>

#include "spate/adapters/docker/docker_container.h"
#include "spate/base/result.h"

namespace spate::adapters {

struct EngineFacts {
  std::string version;         // "20.10.24"
  std::string cgroup_version;  // "1" or "2"
  std::string cgroup_driver;   // "cgroupfs" or "systemd"
  double cpus = 0.0;           // of the engine's machine
  std::int64_t memory_bytes = 0;
};

// Whether containers must leave their network one after the other: when one leaves while another
// does, an engine before 23 may lock up for good (moby/moby issue 46661, mended by pull 42545). A
// version that cannot be read counts as an old one.
bool leaves_one_by_one(const std::string& engine_version);

struct DockerStart {
  EngineFacts engine;
  std::vector<ContainerInfo> workers;  // of this run, running or paused, inspected
  std::vector<std::string> removed;    // names of orphans and of dead containers
};

// Blocks, each call at most options.engine.timeout. Fails when the engine is not there, may not be
// used or lacks the image; the message says what to do.
Result<DockerStart> look_at_engine(const DockerActuatorOptions& options);

}  // namespace spate::adapters
