// SPDX-License-Identifier: Apache-2.0
//
// libspate_model_xgboost.so: what load.cc and the command `spate model build xgboost` look for.
#include <xgboost/c_api.h>

#include <string>

#include "spate/models/load.h"
#include "spate/models/xgboost/train.h"
#include "spate/models/xgboost/xgboost_model.h"

#define SPATE_EXPORT extern "C" __attribute__((visibility("default")))

SPATE_EXPORT spate::models::ModelModule spate_model_module() {
  spate::models::ModelModule module;
  module.load = [](const std::filesystem::path& directory, const spate::models::Manifest& manifest,
                   const spate::models::LoadOptions&) {
    return spate::models::xgboost::XgboostModel::load(directory, manifest);
  };
  return module;
}

SPATE_EXPORT spate::models::xgboost::Training spate_xgboost_training() {
  return {spate::models::xgboost::train_xgboost};
}

SPATE_EXPORT const char* spate_model_runtime() {
  static const std::string text = [] {
    int major = 0, minor = 0, patch = 0;
    XGBoostVersion(&major, &minor, &patch);
    return "XGBoost " + std::to_string(major) + "." + std::to_string(minor) + "." +
           std::to_string(patch);
  }();
  return text.c_str();
}
