// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a picture. What is decoded has the size it says, within the limits, and can be
// preprocessed; what is refused has a reason.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "spate/models/onnx_image/preprocess.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace models = spate::models;
  models::DecodeLimits limits;
  limits.max_pixels = 1 << 20;  // so that an input takes milliseconds
  const auto image = models::decode_image({reinterpret_cast<const char*>(data), size}, limits);
  if (!image) {
    if (image.error().message.empty()) std::abort();
    return 0;
  }
  const auto pixels = std::int64_t{image->width} * image->height;
  if (image->width < 1 || image->height < 1 || pixels > limits.max_pixels ||
      image->rgb.size() != static_cast<std::size_t>(pixels) * 3) {
    std::abort();
  }
  models::ImageSettings settings;
  settings.resize = 40;
  settings.crop = 32;
  std::vector<float> tensor(settings.tensor_size());
  models::preprocess(*image, settings, tensor);
  for (const float value : tensor) {
    if (!std::isfinite(value)) std::abort();
  }
  return 0;
}
