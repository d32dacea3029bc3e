// SPDX-License-Identifier: Apache-2.0
//
// ImageSettings to and from the manifest's settings_json.
#include <cmath>

#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "spate/base/config_reader.h"
#include "spate/models/onnx_image/preprocess.h"

namespace spate::models {
namespace {

std::array<float, 3> three(const ConfigReader& reader, double low, double high) {
  const auto items = reader.list();
  if (items.size() != 3) reader.fail("three numbers: red, green, blue");
  std::array<float, 3> values{};
  for (std::size_t i = 0; i < 3; ++i) values[i] = static_cast<float>(items[i].number(low, high));
  return values;
}

// A float as the shortest decimal that reads back as it: 0.485, not 0.48500001430511475.
nlohmann::ordered_json short_numbers(const std::array<float, 3>& values) {
  auto list = nlohmann::ordered_json::array();
  for (const float value : values) {
    list.push_back(std::round(static_cast<double>(value) * 1e7) / 1e7);
  }
  return list;
}

}  // namespace

Result<ImageSettings> parse_image_settings(std::string_view json) {
  try {
    const ConfigReader reader =
        ConfigReader::from_text(std::string(json), "manifest.json settings");
    reader.allow_only({"resize", "crop", "mean", "std", "layout", "input", "output", "output_kind",
                       "max_batch", "quantised", "top_k"});
    ImageSettings settings;
    settings.resize = static_cast<int>(reader.integer_or("resize", settings.resize, 0, 2048));
    settings.crop = static_cast<int>(reader.integer_or("crop", settings.crop, 1, 2048));
    if (const auto mean = reader.find("mean")) settings.mean = three(*mean, -1000, 1000);
    if (const auto deviation = reader.find("std")) settings.std = three(*deviation, 1e-6, 1e6);
    if (const auto layout = reader.find("layout")) {
      settings.layout = layout->one_of({"nchw", "nhwc"}) == "nchw" ? Layout::Nchw : Layout::Nhwc;
    }
    settings.input = reader.text_or("input", settings.input);
    settings.output = reader.text_or("output", settings.output);
    if (const auto kind = reader.find("output_kind")) {
      settings.output_kind = kind->one_of({"logits", "probabilities"}) == "logits"
                                 ? OutputKind::Logits
                                 : OutputKind::Probabilities;
    }
    settings.max_batch = static_cast<int>(reader.integer_or("max_batch", 0, 0, 4096));
    settings.quantised = reader.boolean_or("quantised", false);
    settings.top_k = static_cast<int>(reader.integer_or("top_k", settings.top_k, 1, 1000));
    return settings;
  } catch (const ConfigError& error) {
    return Error{ErrorCode::InvalidArgument, error.what()};
  }
}

std::string to_json(const ImageSettings& settings) {
  nlohmann::ordered_json json;
  json["resize"] = settings.resize;
  json["crop"] = settings.crop;
  json["mean"] = short_numbers(settings.mean);
  json["std"] = short_numbers(settings.std);
  json["layout"] = settings.layout == Layout::Nchw ? "nchw" : "nhwc";
  json["input"] = settings.input;
  json["output"] = settings.output;
  json["output_kind"] = settings.output_kind == OutputKind::Logits ? "logits" : "probabilities";
  json["max_batch"] = settings.max_batch;
  json["quantised"] = settings.quantised;
  json["top_k"] = settings.top_k;
  return json.dump();
}

}  // namespace spate::models
