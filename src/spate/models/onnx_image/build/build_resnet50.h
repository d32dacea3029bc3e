// SPDX-License-Identifier: Apache-2.0
//
// `spate model build resnet50`: see OnnxBuildModule.
#pragma once

#include "spate/base/result.h"
#include "spate/models/onnx_image/build/build.h"

namespace spate::models {

Result<Manifest> build_resnet50(const ResNet50Options& options);

}  // namespace spate::models
