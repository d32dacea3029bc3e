// SPDX-License-Identifier: Apache-2.0
//
// What libspate_model_onnx_image.so exports (load.h).
#include "spate/models/load.h"
#include "spate/models/onnx_image/onnx_image_model.h"

extern "C" __attribute__((visibility("default"))) spate::models::ModelModule spate_model_module() {
  spate::models::ModelModule module;
  module.load = spate::models::load_onnx_image_model;
  return module;
}
