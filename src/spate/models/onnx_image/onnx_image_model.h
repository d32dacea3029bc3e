// SPDX-License-Identifier: Apache-2.0
//
// OnnxImageModel: the served image classifier, kind "onnx_image". A directory holds
// manifest.json, model.onnx and, once it was loaded on this host, prepared/.
//
// Threads: as Model says. Calls share one session and its weights; each uses one thread unless
// set_intra_op_threads() said otherwise, in which case the next call opens another session over
// the same mapped weights.
#pragma once

#include <filesystem>
#include <memory>

#include "spate/base/result.h"
#include "spate/models/load.h"
#include "spate/models/model.h"

namespace spate::models {

constexpr const char* kOnnxImageKind = "onnx_image";
constexpr const char* kOnnxFile = "model.onnx";

// See load_model(). A prepared form that is absent, stale or damaged is made again (the latter
// two with a warning); where it cannot be made, the portable model serves, with a warning.
Result<std::unique_ptr<Model>> load_onnx_image_model(const std::filesystem::path& directory,
                                                     const Manifest& manifest,
                                                     const LoadOptions& options);

// Where the loaded model's weights are. Requires a model made by load_onnx_image_model().
bool uses_prepared_form(const Model& model);

}  // namespace spate::models
