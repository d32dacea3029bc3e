// SPDX-License-Identifier: Apache-2.0
//
// Loading a model. `linear` is built in; every other kind's code is a module that is mapped
// with dlopen on first use (libspate_model_<kind>.so in lib/ beside the binary, or where
// SPATE_PLUGIN_DIR points), so that a process that loads no model maps no model runtime.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "spate/base/result.h"
#include "spate/models/model.h"

namespace spate::models {

struct LoadOptions {
  int intra_op_threads = 1;
  // Make the prepared form (design 5) when it is absent or stale; off: use it if it is there,
  // else the portable model.
  bool prepare = true;
};

// NotFound: no such model directory, or the kind's module or library is missing (the message
// says which and the command that makes or installs it). Blocks.
Result<std::unique_ptr<Model>> load_model(const std::filesystem::path& directory,
                                          const LoadOptions& options = {});

// Maps lib/libspate_<name>.so (once per process; it stays mapped) and returns the address of its
// exported `symbol`. NotFound: the module or a library it needs is missing, and how to get it.
// `name`: lower-case letters, digits and _. For what is not a model to load, such as training
// (xgboost/train.h) or the image generator ("surface").
Result<void*> module_symbol(const std::string& name, const std::string& symbol);

// What computes models of `kind`, with its version as the library itself tells it: "ONNX Runtime
// 1.30.0"; "built in" for linear. Maps the module. NotFound as above.
Result<std::string> runtime_of(const std::string& kind);

// What a model module exports, besides `extern "C" const char* spate_model_runtime()`, as `extern
// "C" spate::models::ModelModule spate_model_module()`.
constexpr int kModuleAbi = 1;
struct ModelModule {
  int abi = kModuleAbi;  // load_model() refuses a module of another
  Result<std::unique_ptr<Model>> (*load)(const std::filesystem::path&, const Manifest&,
                                         const LoadOptions&) = nullptr;
};

}  // namespace spate::models
