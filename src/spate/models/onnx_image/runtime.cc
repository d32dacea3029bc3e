// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/runtime.h"

#include <fmt/format.h>
#include <onnxruntime_session_options_config_keys.h>

namespace spate::models {

Status start_onnx_runtime() {
  static const Status started = []() -> Status {
    const OrtApi* api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (api == nullptr) {
      return Error{ErrorCode::Unavailable,
                   fmt::format("the ONNX Runtime found is version {}, spate was built for 1.{} or "
                               "newer: run scripts/setup, or point ONNXRUNTIME_ROOT at another",
                               OrtGetApiBase()->GetVersionString(), ORT_API_VERSION)};
    }
    Ort::InitApi(api);
    return ok();
  }();
  return started;
}

Ort::Env& onnx_environment() {
  // What it logs as an error it throws as well.
  static auto* env = new Ort::Env(ORT_LOGGING_LEVEL_FATAL, "spate");
  return *env;
}

Ort::SessionOptions onnx_session_options(int intra_op_threads) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(intra_op_threads);
  options.SetInterOpNumThreads(1);
  options.SetExecutionMode(ExecutionMode::ORT_SEQUENTIAL);
  options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
  // Threads that spin while they wait would spend the CPU limit of a small container.
  options.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  return options;
}

Error onnx_error(const std::string& doing, const Ort::Exception& error) {
  return Error{ErrorCode::Internal, fmt::format("{}: ONNX Runtime: {}", doing, error.what())};
}

}  // namespace spate::models
