// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/preprocess.h"

#include <algorithm>
#include <cmath>

#include "spate/base/check.h"
#include "spate/models/onnx_image/resize.h"

namespace spate::models {
namespace {

// torchvision's rounding of the longer side: cut off, not rounded.
Image resize_shorter_side(const Image& image, int side) {
  const auto longer = [side](int longest, int shortest) {
    return static_cast<int>(static_cast<double>(side) * longest / shortest);
  };
  if (image.width <= image.height) {
    return resize_bilinear(image, side, longer(image.height, image.width));
  }
  return resize_bilinear(image, longer(image.width, image.height), side);
}

// Where the crop starts: Python's round(), which takes halves to the even neighbour.
int crop_start(int size, int crop_size) {
  if (crop_size > size) return -((crop_size - size) / 2);
  return static_cast<int>(std::nearbyint((size - crop_size) / 2.0));
}

// Picks the part of the source that the crop can see before a very long picture is resized: a
// 30 000 x 1 strip would become 7 680 000 x 256.
constexpr int kMaxAspect = 16;

Image cut_very_long(const Image& image) {
  const int shortest = std::min(image.width, image.height);
  const int longest = std::max(image.width, image.height);
  if (longest / shortest <= kMaxAspect) return image;
  const int keep = shortest * kMaxAspect;
  const int start = (longest - keep) / 2;
  return image.width > image.height ? crop(image, start, 0, keep, image.height)
                                    : crop(image, 0, start, image.width, keep);
}

}  // namespace

std::size_t ImageSettings::tensor_size() const {
  return 3 * static_cast<std::size_t>(crop) * static_cast<std::size_t>(crop);
}

void preprocess(const Image& image, const ImageSettings& settings, std::span<float> out) {
  SPATE_CHECK(out.size() == settings.tensor_size(), "room for one image");
  Image square;
  if (settings.resize == 0) {
    square = resize_bilinear(image, settings.crop, settings.crop);
  } else {
    const bool long_strip =
        std::max(image.width, image.height) / std::min(image.width, image.height) > kMaxAspect;
    const Image resized =
        resize_shorter_side(long_strip ? cut_very_long(image) : image, settings.resize);
    square = crop(resized, crop_start(resized.width, settings.crop),
                  crop_start(resized.height, settings.crop), settings.crop, settings.crop);
  }
  // 256 possible samples a channel: look the arithmetic up.
  std::array<std::array<float, 256>, 3> table;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      table[c][v] = (static_cast<float>(v) / 255.0F - settings.mean[c]) / settings.std[c];
    }
  }
  const std::size_t pixels = square.rgb.size() / 3;
  if (settings.layout == Layout::Nhwc) {
    for (std::size_t i = 0; i < square.rgb.size(); ++i) out[i] = table[i % 3][square.rgb[i]];
    return;
  }
  for (std::size_t c = 0; c < 3; ++c) {
    float* plane = out.data() + c * pixels;
    for (std::size_t i = 0; i < pixels; ++i) plane[i] = table[c][square.rgb[i * 3 + c]];
  }
}

}  // namespace spate::models
