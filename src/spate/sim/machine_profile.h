// SPDX-License-Identifier: Apache-2.0
//
// MachineProfile: what `spate profile` measured of a machine and its models, and the
// simulator computes with. docs/profile.md describes the file. A profile of another version of
// the format is refused, as its figures would mean something else.
//
// Threads: plain data.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spate/sim/world_config.h"

namespace spate::sim {

inline constexpr int kMachineProfileSchema = 3;

struct ProfiledModel {
  std::string name;                     // the model directory's name
  std::string variant;                  // of its manifest
  std::map<int, double> memory_bytes;   // resident, by the largest batch that was called
  ServiceLaws service;                  // CPU time of a call on one thread
  ServiceLaws service_threads;          // with `threads` threads; may be empty
  Duration rested_after{0};             // 0: not measured
  Law service_rested;                   // of one request after such a rest
  StartLaws start;                      // on an idle machine
  std::optional<StartLaws> start_busy;  // with every CPU computing for others
};

// Of a replica that is called with batches up to `max_batch`: of the next larger size measured, or
// the largest. 0 when nothing is known, which a profile read from a file never leaves.
double memory_bytes_of(const ProfiledModel& model, int max_batch);

struct MachineProfile {
  std::string file;          // where it was read, for messages
  std::string machine_json;  // "{…}" of the machine it was measured on
  double measured_unix_s = 0.0;
  int cores = 1;
  std::string limit_mechanism;  // "cgroup_v2", "cgroup_v1"
  Duration cfs_period = std::chrono::milliseconds(100);
  Law limit_delay;
  Law decide;                                     // a decision until it reaches the engine
  Law to_gateway;                                 // intended send until received
  Law from_gateway;                               // answered until received back
  std::vector<WorldConfig::Transport> transport;  // may be empty
  double message_cpu_ms = 0.0;  // of gateway, broker and influx together, per request
  double idle_cpus = 0.0;       // of the three when nothing is asked
  std::vector<ProfiledModel> models;

  // Throws ConfigError that names what the profile has.
  const ProfiledModel& model(const std::string& name) const;
};

// Throws ConfigError.
MachineProfile read_machine_profile(const ConfigReader& reader);
MachineProfile read_machine_profile(const std::filesystem::path& file);

}  // namespace spate::sim
