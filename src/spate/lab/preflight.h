// SPDX-License-Identifier: Apache-2.0
//
// Preflight: everything that can be found wrong before anything is started, and what must be made
// first: offline predictions to check the answers against.
//
// Threads: the loop's thread.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/lab/scenario.h"
#include "spate/lab/supervisor.h"

namespace spate::lab {

// Throw ConfigError: a strategy that does not exist or has wrong options; a model or data set
// that is missing (naming the command that makes it) or does not fit (a data set's features).
void check_strategies(const Scenario& scenario, const std::vector<std::string>& labels);
void check_inputs(const Scenario& scenario);

// The file of offline predictions of `model` on its data set, made by `program model predict` in a
// child process when `cache` does not have it for these very model and data files.
Result<std::filesystem::path> expected_answers(Supervisor& supervisor,
                                               const std::filesystem::path& program,
                                               const ModelScenario& model,
                                               const std::filesystem::path& cache,
                                               const std::filesystem::path& log);

// What `program model info --json` says of the model: its manifest, and in "runtime" what computes
// it, with the version. In a child process, because this one must not map a model runtime.
Result<nlohmann::json> model_info(Supervisor& supervisor, const std::filesystem::path& program,
                                  const ModelScenario& model, const std::filesystem::path& log);

// Changes when any file of the data set changes its content (tables) or its size or time (images).
Result<std::string> dataset_fingerprint(const std::filesystem::path& directory);

}  // namespace spate::lab
