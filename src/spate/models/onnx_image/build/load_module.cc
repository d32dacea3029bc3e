// SPDX-License-Identifier: Apache-2.0
#include "spate/models/load.h"
#include "spate/models/onnx_image/build/build.h"

namespace spate::models {

Result<OnnxBuildModule> onnx_build_module() {
  const auto entry = module_symbol("onnx_build", "spate_onnx_build_module");
  if (!entry) return entry.error();
  return reinterpret_cast<OnnxBuildModule (*)()>(*entry)();
}

}  // namespace spate::models
