// SPDX-License-Identifier: Apache-2.0
//
// OnnxFile: what a foreign .onnx file says of itself, and its bytes with all weights inside.
// Used by import.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "spate/base/result.h"

namespace spate::models {

struct OnnxFile {
  std::string bytes;                     // the model; weights that lay in other files were taken in
  std::string input;                     // the one input that is no weight
  std::vector<std::int64_t> input_dims;  // four; -1 where it may vary
  std::vector<std::string> outputs;
  bool ends_in_softmax = false;
  bool quantised = false;
};

// NotFound; InvalidArgument with what is wrong: no ONNX file, several inputs, an input of another
// type than float32 or another rank than 4.
Result<OnnxFile> read_onnx_file(const std::filesystem::path& path);

}  // namespace spate::models
