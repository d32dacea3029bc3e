// SPDX-License-Identifier: Apache-2.0
//
// Manifest: what a model directory says of itself, in manifest.json.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/result.h"

namespace spate::models {

enum class Task { Regression, Classification };
std::string_view to_string(Task task);  // "regression", "classification"

struct Manifest {
  int schema = 1;
  std::string name;     // "resnet50"
  std::string kind;     // "linear", "xgboost", "onnx_image": which module serves it
  std::string version;  // first 12 hex digits of the sha256 of the model's own files
  std::string variant;  // "fp32"
  Task task = Task::Regression;
  std::vector<std::string> features;  // tables: column names, in the order of the input row
  std::string target;                 // tables: column that was predicted
  std::vector<std::string> classes;   // classification: labels by index
  std::string backbone;               // images: "imported", "random" (design 8); else ""
  // Name -> value, such as "accuracy", "baseline_accuracy", "r2", "rmse", "baseline_rmse",
  // "held_out_rows".
  std::map<std::string, double> held_out;
  std::map<std::string, std::string> files;  // file name in the directory -> sha256
  std::string settings_json = "{}";  // the kind's own settings (image size, mean, objective …)
  std::string created_by;            // command line, for a person
};

constexpr const char* kManifestFile = "manifest.json";

// NotFound names the directory and the command that makes it; InvalidArgument what is wrong.
Result<Manifest> read_manifest(const std::filesystem::path& directory);
Status write_manifest(const std::filesystem::path& directory, const Manifest& manifest);
// Checks every file's sha256 against the manifest.
Status verify_files(const std::filesystem::path& directory, const Manifest& manifest);

// Ends a build: hashes `file_names` (which lie in `directory`), derives `manifest.version` from
// the hashes, writes manifest.json and returns the completed manifest.
Result<Manifest> seal_model(const std::filesystem::path& directory, Manifest manifest,
                            const std::vector<std::string>& file_names);

}  // namespace spate::models
