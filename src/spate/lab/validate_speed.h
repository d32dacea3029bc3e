// SPDX-License-Identifier: Apache-2.0
//
// How fast the machine computed while the live runs were made, beside what the machine profile
// says.
//
// A shared machine's memory and caches are slower at one time than at another: a profile measured
// ten minutes before may be off by a sixth. The CPU time that a model's workers took per answer
// tells. It is what goes into a simulation, not what comes out of it (latency, attainment, cost):
// the runs simulated again with it show what of a miss is the profile's and what the simulator's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spate/lab/run_files.h"
#include "spate/sim/machine_profile.h"

namespace spate::lab {

struct SpeedPair {
  std::string model;     // of the scenario
  std::string profiled;  // of the profile
  double live_ms = 0.0;  // CPU time of its workers per answer
  double simulated_ms = 0.0;
  double ratio() const { return live_ms / simulated_ms; }
};

// CPU time, in ms, that the workers of `model` took per answer over the measured windows. Seconds
// in which a worker was read for the first time are left out: what it used before is not known.
// Empty without answers or readings.
std::optional<double> cpu_per_answer_ms(const std::vector<const RunFiles*>& runs,
                                        const std::string& model);

// The profile with the calls of each model taking `ratio()` times as long.
sim::MachineProfile at_speed(sim::MachineProfile profile, const std::vector<SpeedPair>& speeds);

// "resnet50 118.4 ms of CPU per answer live, 102.1 simulated (+16.0 %)", a line for each.
std::string speed_text(const std::vector<SpeedPair>& speeds);

}  // namespace spate::lab
