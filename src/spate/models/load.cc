// SPDX-License-Identifier: Apache-2.0
#include "spate/models/load.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include "spate/models/linear.h"

namespace spate::models {
namespace {

constexpr const char* kEntryPoint = "spate_model_module";

std::filesystem::path plugin_directory() {
  if (const char* set = std::getenv("SPATE_PLUGIN_DIR"); set != nullptr && *set != '\0') return set;
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  return (failed ? std::filesystem::current_path() : self.parent_path()) / "lib";
}

// What to do when a library that the module of `kind` needs is missing.
std::string install_hint(const std::string& kind) {
  if (kind == "xgboost") return "run scripts/setup, or: apt-get install libxgboost0";
  if (kind == "onnx_image") {
    return "run scripts/setup, or point ONNXRUNTIME_ROOT at a release of ONNX Runtime and build "
           "again";
  }
  return "run scripts/setup";
}

bool is_kind_name(const std::string& kind) {
  return !kind.empty() && std::all_of(kind.begin(), kind.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Result<void*> open_module(const std::string& kind) {
  static std::mutex mutex;
  static std::map<std::string, void*> opened;  // never closed: models' code must outlive them
  const auto file = plugin_directory() / ("libspate_model_" + kind + ".so");
  const std::lock_guard lock(mutex);
  if (const auto found = opened.find(file.string()); found != opened.end()) return found->second;
  std::error_code failed;
  if (!std::filesystem::exists(file, failed)) {
    return Error{ErrorCode::NotFound,
                 "the module of model kind \"" + kind + "\" is missing: " + file.string() +
                     " does not exist; run scripts/setup, then build again (cmake --build --preset "
                     "release), or set SPATE_PLUGIN_DIR to the folder that holds it"};
  }
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    return Error{ErrorCode::NotFound, "cannot load the module of model kind \"" + kind + "\" (" +
                                          file.string() + "): " + (why ? why : "unknown reason") +
                                          "; " + install_hint(kind)};
  }
  opened[file.string()] = handle;
  return handle;
}

}  // namespace

Result<void*> module_symbol(const std::string& kind, const std::string& symbol) {
  if (!is_kind_name(kind)) {
    return Error{ErrorCode::InvalidArgument,
                 "model kind \"" + kind + "\": expected lower-case letters, digits and _"};
  }
  const auto handle = open_module(kind);
  if (!handle) return handle.error();
  void* address = ::dlsym(*handle, symbol.c_str());
  if (address == nullptr) {
    return Error{ErrorCode::NotFound, "the module of model kind \"" + kind + "\" has no " + symbol +
                                          ": it was built from another version of spate"};
  }
  return address;
}

Result<std::unique_ptr<Model>> load_model(const std::filesystem::path& directory,
                                          const LoadOptions& options) {
  auto manifest = read_manifest(directory);
  if (!manifest) return manifest.error();
  if (manifest->kind == "linear") return load_linear(directory, *manifest);
  const auto entry = module_symbol(manifest->kind, kEntryPoint);
  if (!entry) return entry.error();
  const auto module = reinterpret_cast<ModelModule (*)()>(*entry)();
  if (module.abi != kModuleAbi) {
    return Error{ErrorCode::NotFound, "the module of model kind \"" + manifest->kind +
                                          "\" was built from another version of spate (interface " +
                                          std::to_string(module.abi) + ", expected " +
                                          std::to_string(kModuleAbi) + "): build again"};
  }
  return module.load(directory, *manifest, options);
}

}  // namespace spate::models
