// SPDX-License-Identifier: Apache-2.0
#include "spate/models/manifest.h"

#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "spate/base/sha256.h"

namespace spate::models {
namespace {

using nlohmann::json;

Error wrong(const std::filesystem::path& file, const std::string& what) {
  return Error{ErrorCode::InvalidArgument, file.string() + ": " + what};
}

// The command that makes what a user most likely wanted under this name.
std::string making_command(const std::filesystem::path& directory) {
  const std::string name = directory.filename().empty()
                               ? directory.parent_path().filename().string()
                               : directory.filename().string();
  const std::string out = " --out " + directory.string();
  if (name.find("linear") != std::string::npos) {
    return "spate model build linear --dataset data/temperature" + out;
  }
  if (name.find("xgboost") != std::string::npos) {
    return "spate model build xgboost --dataset data/weather" + out;
  }
  if (name.find("resnet") != std::string::npos) {
    return "spate model build resnet50 --images DIR" + out;
  }
  return "spate model build linear|xgboost|resnet50 …" + out;
}

bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

// Thrown by the readers below, caught in read_manifest().
struct BadField {
  std::string what;
};

template <class T>
T field(const json& object, const char* key, const char* expected) {
  const auto found = object.find(key);
  if (found == object.end()) throw BadField{std::string(key) + ": missing"};
  try {
    return found->get<T>();
  } catch (const json::exception&) {
    throw BadField{std::string(key) + ": expected " + expected + ", got " + found->dump()};
  }
}

Manifest parse(const json& object) {
  Manifest m;
  m.schema = field<int>(object, "schema", "an integer");
  if (m.schema != 1) {
    throw BadField{"schema: expected 1, got " + std::to_string(m.schema) +
                   " (made by another version of spate; build the model again)"};
  }
  m.name = field<std::string>(object, "name", "a string");
  m.kind = field<std::string>(object, "kind", "a string");
  m.version = field<std::string>(object, "version", "a string");
  m.variant = field<std::string>(object, "variant", "a string");
  const auto task = field<std::string>(object, "task", "a string");
  if (task == "regression") {
    m.task = Task::Regression;
  } else if (task == "classification") {
    m.task = Task::Classification;
  } else {
    throw BadField{"task: expected \"regression\" or \"classification\", got \"" + task + "\""};
  }
  m.features = field<std::vector<std::string>>(object, "features", "a list of strings");
  m.target = field<std::string>(object, "target", "a string");
  m.classes = field<std::vector<std::string>>(object, "classes", "a list of strings");
  if (m.task == Task::Classification && m.classes.size() < 2) {
    throw BadField{"classes: a classification model needs at least 2"};
  }
  m.backbone = field<std::string>(object, "backbone", "a string");
  m.held_out = field<std::map<std::string, double>>(object, "held_out", "an object of numbers");
  m.files = field<std::map<std::string, std::string>>(object, "files", "an object of strings");
  for (const auto& [name, hash] : m.files) {
    if (!is_plain_file_name(name)) {
      throw BadField{"files: \"" + name + "\" is not a plain file name"};
    }
    if (hash.size() != 64) throw BadField{"files: the sha256 of " + name + " has not 64 digits"};
  }
  const json settings = field<json>(object, "settings", "an object");
  if (!settings.is_object()) throw BadField{"settings: expected an object"};
  m.settings_json = settings.dump();
  m.created_by = field<std::string>(object, "created_by", "a string");
  return m;
}

}  // namespace

std::string_view to_string(Task task) {
  return task == Task::Regression ? "regression" : "classification";
}

Result<Manifest> read_manifest(const std::filesystem::path& directory) {
  const auto file = directory / kManifestFile;
  std::error_code failed;
  if (!std::filesystem::exists(file, failed)) {
    return Error{ErrorCode::NotFound,
                 "no model at " + directory.string() + ": " + file.string() +
                     " does not exist; make it with: " + making_command(directory)};
  }
  auto text = read_file(file);
  if (!text) return text.error();
  const json object = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded() || !object.is_object()) return wrong(file, "is not a JSON object");
  try {
    return parse(object);
  } catch (const BadField& bad) {
    return wrong(file, bad.what);
  }
}

Status write_manifest(const std::filesystem::path& directory, const Manifest& manifest) {
  const json settings = json::parse(manifest.settings_json, nullptr, false);
  if (!settings.is_object()) return wrong(directory / kManifestFile, "settings are no JSON object");
  // ordered_json keeps the order in which a person reads it.
  nlohmann::ordered_json out;
  out["schema"] = manifest.schema;
  out["name"] = manifest.name;
  out["kind"] = manifest.kind;
  out["version"] = manifest.version;
  out["variant"] = manifest.variant;
  out["task"] = to_string(manifest.task);
  out["features"] = manifest.features;
  out["target"] = manifest.target;
  out["classes"] = manifest.classes;
  out["backbone"] = manifest.backbone;
  out["held_out"] = manifest.held_out;
  out["files"] = manifest.files;
  out["settings"] = settings;
  out["created_by"] = manifest.created_by;
  // Labels come from users' files: a byte that is no UTF-8 is replaced, not thrown about.
  return write_file(
      directory / kManifestFile,
      out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

Status verify_files(const std::filesystem::path& directory, const Manifest& manifest) {
  for (const auto& [name, expected] : manifest.files) {
    const auto actual = sha256_hex_of_file(directory / name);
    if (!actual) {
      return Error{actual.error().code,
                   "model " + directory.string() + " is incomplete: " + actual.error().message};
    }
    if (*actual != expected) {
      return wrong(directory / name,
                   "sha256 is " + *actual + ", the manifest says " + expected +
                       ": the file was changed or cut off; build the model again");
    }
  }
  return ok();
}

Result<Manifest> seal_model(const std::filesystem::path& directory, Manifest manifest,
                            const std::vector<std::string>& file_names) {
  manifest.files.clear();
  for (const auto& name : file_names) {
    auto hash = sha256_hex_of_file(directory / name);
    if (!hash) return hash.error();
    manifest.files[name] = *hash;
  }
  std::string all;
  for (const auto& [name, hash] : manifest.files) all += name + " " + hash + "\n";
  manifest.version = sha256_hex(all).substr(0, 12);
  if (auto status = write_manifest(directory, manifest); !status) return status.error();
  return manifest;
}

}  // namespace spate::models
