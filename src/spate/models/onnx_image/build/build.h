// SPDX-License-Identifier: Apache-2.0
//
// Building and importing image models: what libspate_onnx_build.so offers. Used by
// app/model_image_command.cc through onnx_build_module(); the module alone maps protobuf.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "spate/base/result.h"
#include "spate/models/manifest.h"

namespace spate::models {

// Called with a line for a person now and then.
using Progress = std::function<void(const std::string&)>;

struct ResNet50Options {
  std::filesystem::path images;  // a data set of images (dataset.h)
  std::filesystem::path out;     // the model directory; its model is replaced
  std::uint64_t seed = 1;        // of the weights and of every choice made
  int threads = 2;               // images computed at once
  std::string created_by;        // goes into the manifest
  Progress progress = [](const std::string&) {};
};

struct ImportOptions {
  std::filesystem::path onnx_file;
  std::filesystem::path labels;  // one label a line, in the order of the scores; or a JSON list
  std::filesystem::path out;     // the model directory; its model is replaced
  std::string name;              // of the model; "": the file's name without its ending
  int resize = 0;                // pixels; 0: crop * 256 / 224
  int crop = 0;                  // pixels; 0: what the graph says, else 224
  std::array<float, 3> mean = {0.485F, 0.456F, 0.406F};
  std::array<float, 3> std = {0.229F, 0.224F, 0.225F};
  std::string output;  // the graph's output with the scores; "": the one that fits the labels
  std::string created_by;
  Progress progress = [](const std::string&) {};
};

// InvalidArgument: the images or the file cannot be used, and why; NotFound: a file is missing.
// On an error the directory's previous model, if there was one, stays.
struct OnnxBuildModule {
  int abi = 1;
  // The download-free ResNet-50 v1.5 (docs/image-models.md): random seeded convolutions, batch
  // normalisation measured on training images, a final layer trained by ridge regression. The
  // manifest's held_out has "accuracy", "baseline_accuracy" and "held_out_rows".
  Result<Manifest> (*build_resnet50)(const ResNet50Options&) = nullptr;
  // Any ONNX image classifier: one float input [N or 1, 3, H, W] or [N or 1, H, W, 3], one
  // output with a score a class.
  Result<Manifest> (*import_onnx)(const ImportOptions&) = nullptr;
};

// Maps the module. NotFound: it or a library it needs is missing, and how to get it.
Result<OnnxBuildModule> onnx_build_module();

}  // namespace spate::models
