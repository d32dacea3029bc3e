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

// What to do when a library that the module needs is missing.
std::string install_hint(const std::string& name) {
  if (name == "model_xgboost") return "run scripts/setup, or: apt-get install libxgboost0";
  if (name.find("onnx") != std::string::npos) {
    return "run scripts/setup, or point ONNXRUNTIME_ROOT at a release of ONNX Runtime and build "
           "again";
  }
  return "run scripts/setup";
}

bool is_module_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

Result<void*> open_module(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, void*> opened;  // never closed: models' code must outlive them
  const auto file = plugin_directory() / ("libspate_" + name + ".so");
  const std::lock_guard lock(mutex);
  if (const auto found = opened.find(file.string()); found != opened.end()) return found->second;
  std::error_code failed;
  if (!std::filesystem::exists(file, failed)) {
    return Error{ErrorCode::NotFound,
                 "the module \"" + name + "\" is missing: " + file.string() +
                     " does not exist; run scripts/setup, then build again (cmake --build --preset "
                     "release), or set SPATE_PLUGIN_DIR to the folder that holds it"};
  }
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = ::dlerror();
    return Error{ErrorCode::NotFound, "cannot load the module \"" + name + "\" (" + file.string() +
                                          "): " + (why ? why : "unknown reason") + "; " +
                                          install_hint(name)};
  }
  opened[file.string()] = handle;
  return handle;
}

Error of_another_version(const std::string& name, const std::string& detail) {
  return Error{ErrorCode::NotFound, "the module \"" + name +
                                        "\" was built from another version of spate (" + detail +
                                        "): build again"};
}

}  // namespace

Result<void*> module_symbol(const std::string& name, const std::string& symbol) {
  if (!is_module_name(name)) {
    return Error{ErrorCode::InvalidArgument,
                 "module \"" + name + "\": expected lower-case letters, digits and _"};
  }
  const auto handle = open_module(name);
  if (!handle) return handle.error();
  void* address = ::dlsym(*handle, symbol.c_str());
  if (address == nullptr) return of_another_version(name, "it has no " + symbol);
  return address;
}

Result<std::string> runtime_of(const std::string& kind) {
  if (kind == "linear") return std::string("built in");
  const auto entry = module_symbol("model_" + kind, "spate_model_runtime");
  if (!entry) return entry.error();
  return std::string(reinterpret_cast<const char* (*)()>(*entry)());
}

Result<std::unique_ptr<Model>> load_model(const std::filesystem::path& directory,
                                          const LoadOptions& options) {
  auto manifest = read_manifest(directory);
  if (!manifest) return manifest.error();
  if (manifest->kind == "linear") return load_linear(directory, *manifest);
  if (!is_module_name(manifest->kind)) {
    return Error{ErrorCode::InvalidArgument, (directory / kManifestFile).string() + ": kind \"" +
                                                 manifest->kind +
                                                 "\": expected lower-case letters, digits and _"};
  }
  const std::string name = "model_" + manifest->kind;
  const auto entry = module_symbol(name, kEntryPoint);
  if (!entry) return entry.error();
  const auto module = reinterpret_cast<ModelModule (*)()>(*entry)();
  if (module.abi != kModuleAbi) {
    return of_another_version(name, "interface " + std::to_string(module.abi) + ", expected " +
                                        std::to_string(kModuleAbi));
  }
  return module.load(directory, *manifest, options);
}

}  // namespace spate::models
