// SPDX-License-Identifier: Apache-2.0
//
// Machine: what a result was measured on and with.
//
// Threads: pure reads of /proc and /sys.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace spate::lab {

struct Machine {
  std::string cpu_model;
  double cores = 1.0;  // CPUs this process may use: affinity and cgroup quota
  int cores_online = 1;
  double memory_gib = 0.0;
  std::string kernel;
  std::string cgroup;  // "v2", "v1", "none"
  std::string os;
  bool virtual_machine = false;
};

Machine read_machine();
nlohmann::json machine_json(const Machine& machine);

}  // namespace spate::lab
