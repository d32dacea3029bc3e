// SPDX-License-Identifier: Apache-2.0
//
// Image: decoded pixels, and the decoders of JPEG and PNG. What they give is what Pillow's
// `Image.open(f).convert("RGB")` gives, which is what torchvision's data sets feed a model:
// greyscale is repeated in the three channels, CMYK is converted, 16-bit samples keep their
// high byte, transparency is dropped (not blended), and an EXIF orientation is ignored.
//
// The input may be hostile. Nothing is allocated from a header's claim before the claim was
// checked against DecodeLimits and against what that many bytes of input could hold.
//
// Threads: any number at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "spate/base/result.h"

namespace spate::models {

struct Image {
  int width = 0;                  // pixels
  int height = 0;                 // pixels
  std::vector<std::uint8_t> rgb;  // height * width * 3, row by row, no padding
};

enum class ImageFormat { Unknown, Jpeg, Png };

// From the first bytes.
ImageFormat image_format(std::string_view bytes);

struct DecodeLimits {
  std::int64_t max_pixels = 50'000'000;  // width times height; 3 bytes each once decoded
  int max_side = 30'000;                 // pixels
  int max_scans = 64;                    // of a progressive JPEG: each costs a pass over it
};

// InvalidArgument with a message for whoever sent the picture: neither JPEG nor PNG, damaged,
// cut short, or larger than the limits. A picture that ends early is an error, never a picture
// with a grey half.
Result<Image> decode_image(std::string_view bytes, const DecodeLimits& limits = {});
Result<Image> decode_jpeg(std::string_view bytes, const DecodeLimits& limits = {});
Result<Image> decode_png(std::string_view bytes, const DecodeLimits& limits = {});

// Baseline JPEG with 4:4:4 chroma. `quality` is 1 to 100. Requires a non-empty image.
std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality);

}  // namespace spate::models
