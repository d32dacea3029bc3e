// SPDX-License-Identifier: Apache-2.0
//
// What libspate_model_onnx_image.so exports (load.h).
#include "spate/models/load.h"
#include "spate/models/onnx_image/onnx_image_model.h"
#include "spate/models/onnx_image/runtime.h"

extern "C" __attribute__((visibility("default"))) spate::models::ModelModule spate_model_module() {
  spate::models::ModelModule module;
  module.load = spate::models::load_onnx_image_model;
  return module;
}

extern "C" __attribute__((visibility("default"))) const char* spate_model_runtime() {
  static const std::string text =
      std::string("ONNX Runtime ") + OrtGetApiBase()->GetVersionString();
  return text.c_str();
}
