// SPDX-License-Identifier: Apache-2.0
//
// The one way to ONNX Runtime's C++ API: include this, not its header. Used inside onnx_image/.
#pragma once

// The API table is asked for by hand, so that a library too old for the headers is an error
// message and not a crash.
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include <string>

#include "spate/base/result.h"

namespace spate::models {

// To be called before anything of Ort. Unavailable: the library is older than the headers.
Status start_onnx_runtime();

// One per process, never destroyed: sessions may outlive static objects.
Ort::Env& onnx_environment();

// All optimisations; `intra_op_threads` threads that do not spin while they wait.
Ort::SessionOptions onnx_session_options(int intra_op_threads);

// Internal: "<doing>: ONNX Runtime: <its reason>".
Error onnx_error(const std::string& doing, const Ort::Exception& error);

}  // namespace spate::models
