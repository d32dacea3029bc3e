// SPDX-License-Identifier: Apache-2.0
//
// OnnxSession: a graph loaded in ONNX Runtime, images in, class scores out. Made from the
// portable .onnx file or from the mapped bytes of a prepared .ort file (prepared.h). Used by
// the served model and by the builder.
//
// Threads: run() from any number of threads at once; they share the weights.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/models/onnx_image/mapped_file.h"
#include "spate/models/onnx_image/preprocess.h"

namespace spate::models {

// "1.30.0". Unavailable: the library found at run time is too old for the headers spate was
// built with; the message names both versions.
Result<std::string> onnx_runtime_version();

class OnnxSession {
 public:
  // Parses and optimises: 1 to 2 s for a ResNet-50, whose weights become private memory.
  static Result<std::shared_ptr<OnnxSession>> open_portable(const std::filesystem::path& onnx_file,
                                                            const ImageSettings& settings,
                                                            int intra_op_threads);
  // Uses `bytes` (the .ort model) in place, as weights too, and keeps the mapping alive.
  static Result<std::shared_ptr<OnnxSession>> open_prepared(std::shared_ptr<const MappedFile> file,
                                                            std::span<const std::byte> bytes,
                                                            const ImageSettings& settings,
                                                            int intra_op_threads);
  // Optimises `onnx_file` for this host and writes it as .ort to `ort_file`.
  static Status write_prepared(const std::filesystem::path& onnx_file,
                               const std::filesystem::path& ort_file);

  virtual ~OnnxSession() = default;

  // `images`: `count` tensors of settings.tensor_size() floats. Returns the scores, image after
  // image, as the graph gives them. Internal: the runtime refused; its reason.
  virtual Result<std::vector<float>> run(std::span<const float> images, std::size_t count) = 0;
};

}  // namespace spate::models
