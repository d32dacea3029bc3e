// SPDX-License-Identifier: Apache-2.0
//
// The tiny classifiers of tests/data/onnx (tools/make_tiny_classifiers.py) and importing them
// through the real module. Used by the component tests of image models.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spate/base/files.h"
#include "spate/models/model.h"
#include "spate/models/onnx_image/build/build.h"

namespace spate::test {

inline std::filesystem::path onnx_data() {
  return std::filesystem::path(SPATE_SOURCE_DIR) / "tests/data/onnx";
}

inline std::string picture(const std::string& name) {
  const auto bytes =
      read_file(std::filesystem::path(SPATE_SOURCE_DIR) / "tests/data/images" / name);
  EXPECT_TRUE(bytes) << name;
  return bytes ? *bytes : std::string();
}

inline models::ImportOptions import_options(const std::string& onnx_name,
                                            const std::filesystem::path& out) {
  models::ImportOptions options;
  options.onnx_file = onnx_data() / onnx_name;
  options.labels = onnx_data() / "labels.txt";
  options.out = out;
  options.created_by = "test";
  return options;
}

inline Result<models::Manifest> import(const models::ImportOptions& options) {
  const auto module = models::onnx_build_module();
  if (!module) return module.error();
  return module->import_onnx(options);
}

// Probabilities of classes a to e for square.jpg, computed by torch.
inline std::vector<double> expected_probabilities() {
  std::ifstream file(onnx_data() / "expected.json");
  return nlohmann::json::parse(file).get<std::vector<double>>();
}

// By class index, or empty when the model refused.
inline std::vector<double> probabilities(models::Model& model, const std::string& payload) {
  const models::Input input{"image/jpeg", payload};
  const auto answers = model.predict({&input, 1});
  if (!answers.at(0)) {
    ADD_FAILURE() << answers[0].error().message;
    return {};
  }
  std::vector<double> by_index(model.manifest().classes.size());
  for (const auto& score : answers[0]->rows.at(0).top) {
    by_index.at(static_cast<std::size_t>(score.index)) = score.probability;
  }
  return by_index;
}

}  // namespace spate::test
