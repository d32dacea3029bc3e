// SPDX-License-Identifier: Apache-2.0
//
// The checks that both decoders make of a header's claim, one after the other: what the second
// is given may overflow for claims that the first refuses. Used by decode_jpeg.cc, decode_png.cc.
#pragma once

#include <fmt/format.h>

#include <cstdint>

#include "spate/models/onnx_image/image.h"

namespace spate::models {

inline Status check_claim(const char* format, std::int64_t width, std::int64_t height,
                          const DecodeLimits& limits) {
  if (width <= 0 || height <= 0) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("the {} has no pixels ({} x {})", format, width, height)};
  }
  if (width > limits.max_side || height > limits.max_side || width * height > limits.max_pixels) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("the {} says it is {} x {} pixels; at most {} in all and {} a side "
                             "are accepted",
                             format, width, height, limits.max_pixels, limits.max_side)};
  }
  return ok();
}

// `least_bytes`: the smallest input that could hold so many pixels.
inline Status check_held(const char* format, std::int64_t width, std::int64_t height,
                         std::size_t size, std::int64_t least_bytes) {
  if (static_cast<std::int64_t>(size) < least_bytes) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("the {} says it is {} x {} pixels, which {} bytes cannot hold: it is "
                             "cut short",
                             format, width, height, size)};
  }
  return ok();
}

}  // namespace spate::models
