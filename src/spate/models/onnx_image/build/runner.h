// SPDX-License-Identifier: Apache-2.0
//
// GraphRunner: runs a graph held in memory and gives all of its outputs that are asked for.
// For building and for looking at foreign models; serving uses session.h.
//
// Threads: run() from any number of threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/result.h"

namespace spate::models {

struct Tensor {
  std::vector<std::int64_t> dims;
  std::vector<float> data;
};

class GraphRunner {
 public:
  // `model`: the bytes of a .onnx file. Internal: the runtime refused them; its reason.
  static Result<std::unique_ptr<GraphRunner>> open(std::string_view model, int intra_op_threads);

  virtual ~GraphRunner() = default;

  // Outputs in the order asked. Internal: the runtime failed, or an output is not float32.
  virtual Result<std::vector<Tensor>> run(const std::string& input,
                                          const std::vector<std::int64_t>& dims,
                                          std::span<const float> data,
                                          const std::vector<std::string>& outputs) = 0;
};

}  // namespace spate::models
