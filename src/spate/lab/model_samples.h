// SPDX-License-Identifier: Apache-2.0
//
// What is on disk of a scenario's model: samples to send to its workers, and its name there.
//
// Threads: pure functions; read files.
#pragma once

#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/lab/scenario.h"
#include "spate/wire/messages.h"

namespace spate::lab {

// Up to 64 of the split, spread over it: neighbours may be of one class and alike. Never none.
Result<std::vector<wire::Item>> load_samples(const ModelScenario& model);

// The name under which a machine profile has a model: its directory's.
std::string profiled_name(const ModelScenario& model);

}  // namespace spate::lab
