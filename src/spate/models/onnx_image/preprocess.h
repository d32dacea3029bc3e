// SPDX-License-Identifier: Apache-2.0
//
// Preprocess: from a decoded image to the numbers a network takes, as torchvision's
//   Resize(resize) > CenterCrop(crop) > ToTensor() > Normalize(mean, std)
// does on a PIL image: shorter side to `resize` (bilinear, antialiased), the middle crop x crop,
// (sample / 255 - mean) / std per channel. ImageSettings is what an image model's manifest
// keeps of that (settings_json), and of its graph.
//
// Threads: any number at once.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "spate/base/result.h"
#include "spate/models/onnx_image/image.h"

namespace spate::models {

enum class Layout { Nchw, Nhwc };
enum class OutputKind { Logits, Probabilities };

struct ImageSettings {
  int resize = 256;  // pixels of the shorter side; 0: straight to crop x crop, unproportioned
  int crop = 224;    // pixels
  std::array<float, 3> mean = {0.485F, 0.456F, 0.406F};  // ImageNet's, red green blue
  std::array<float, 3> std = {0.229F, 0.224F, 0.225F};
  Layout layout = Layout::Nchw;
  std::string input = "input";  // the graph's names
  std::string output = "output";
  OutputKind output_kind = OutputKind::Logits;
  int max_batch = 0;       // images a run; 0: any number, 1: one (fixed graph)
  bool quantised = false;  // int8: weights are repacked when loaded
  int top_k = 5;           // classes in an answer

  // Floats of one image: 3 * crop * crop.
  std::size_t tensor_size() const;
};

// InvalidArgument names the key. Unknown keys are refused.
Result<ImageSettings> parse_image_settings(std::string_view json);
std::string to_json(const ImageSettings& settings);

// Requires out.size() == settings.tensor_size().
void preprocess(const Image& image, const ImageSettings& settings, std::span<float> out);

}  // namespace spate::models
