// SPDX-License-Identifier: Apache-2.0
//
// The `faults` of a scenario or of a suite's demand (docs/scenario.md): read and written.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"
#include "spate/sim/world_config.h"

namespace spate::sim {

// `in` is the list, `models` the names in the order of WorldConfig::models. Throws ConfigError,
// also for faults of other models or outside the `duration_s` seconds of the measured window.
std::vector<ScriptedFault> read_fault_script(const ConfigReader& in, double duration_s,
                                             const std::vector<std::string>& models);

// The same with every default; reading it back gives equal faults.
nlohmann::json fault_script_json(const std::vector<ScriptedFault>& faults,
                                 const std::vector<std::string>& models);

}  // namespace spate::sim
