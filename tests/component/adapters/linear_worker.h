// SPDX-License-Identifier: Apache-2.0
//
// LinearModel: a folder with a real linear model and a token, for tests that start real workers.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "spate/models/linear.h"
#include "testing/test_folder.h"

namespace spate::test {

inline void make_linear_model(const TestFolder& folder) {
  models::Manifest manifest;
  manifest.name = "linear";
  manifest.kind = "linear";
  manifest.variant = "ols";
  manifest.features = {"x", "y"};
  manifest.target = "z";
  const auto saved =
      models::save_linear(folder / "linear", manifest,
                          {.intercept = 1.0, .coefficients = {2.0, 3.0}, .means = {0.5, 0.5}});
  ASSERT_TRUE(saved) << saved.error().message;
  folder.write("token", "sesame\n");
}

}  // namespace spate::test
