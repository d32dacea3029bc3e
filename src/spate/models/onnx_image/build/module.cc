// SPDX-License-Identifier: Apache-2.0
//
// What libspate_onnx_build.so exports (build.h).
#include "spate/models/onnx_image/build/build.h"
#include "spate/models/onnx_image/build/build_resnet50.h"
#include "spate/models/onnx_image/build/import.h"

extern "C" __attribute__((visibility("default"))) spate::models::OnnxBuildModule
spate_onnx_build_module() {
  spate::models::OnnxBuildModule module;
  module.build_resnet50 = spate::models::build_resnet50;
  module.import_onnx = spate::models::import_onnx;
  return module;
}
