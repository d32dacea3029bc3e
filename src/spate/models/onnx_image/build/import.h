// SPDX-License-Identifier: Apache-2.0
//
// `spate model import`: see OnnxBuildModule.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/onnx_image/build/build.h"

namespace spate::models {

Result<Manifest> import_onnx(const ImportOptions& options);

// One label a line (the whole line, spaces around it cut off; empty lines at the end are
// ignored, others are an error), or, for a file that ends in .json, a list of strings or an
// object with the keys "0", "1", ….
Result<std::vector<std::string>> read_labels(const std::filesystem::path& file);

}  // namespace spate::models
