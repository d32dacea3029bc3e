// SPDX-License-Identifier: Apache-2.0
//
// Parts of `spate model` that its files share. app only.
#pragma once

#include <filesystem>
#include <string>

#include "spate/app/command.h"
#include "spate/models/manifest.h"
#include "spate/models/training_table.h"

namespace spate::app {

void add_model_build_tables(CLI::App& build, Run& run);  // linear, xgboost
void add_model_predict(CLI::App& model, Run& run);
void add_model_bench(CLI::App& model, Run& run);

// The held-out quality beside its trivial baseline, in words; "" without one.
std::string quality_text(const models::Manifest& manifest);
// Prints notes, quality and where the model was saved; used at the end of each build.
void print_build(const models::BuildReport& report, const std::filesystem::path& out);

}  // namespace spate::app
