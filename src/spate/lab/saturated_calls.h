// SPDX-License-Identifier: Apache-2.0
//
// What the simulator says of one replica that is never idle: its calls under a CFS quota, one
// after the other.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "spate/sim/world_config.h"

namespace spate::lab {

// `count` times from a call's beginning to its end. `cpus` > 0.
std::vector<Duration> saturated_calls(const sim::ServiceLaws& laws, int batch, double cpus,
                                      Duration period, std::uint64_t seed, int count);

}  // namespace spate::lab
