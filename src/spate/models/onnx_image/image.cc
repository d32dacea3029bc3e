// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/image.h"

namespace spate::models {

ImageFormat image_format(std::string_view bytes) {
  if (bytes.starts_with("\xFF\xD8\xFF")) return ImageFormat::Jpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) return ImageFormat::Png;
  return ImageFormat::Unknown;
}

Result<Image> decode_image(std::string_view bytes, const DecodeLimits& limits) {
  switch (image_format(bytes)) {
    case ImageFormat::Jpeg:
      return decode_jpeg(bytes, limits);
    case ImageFormat::Png:
      return decode_png(bytes, limits);
    case ImageFormat::Unknown:
      break;
  }
  return Error{ErrorCode::InvalidArgument,
               bytes.empty() ? "the image is empty (0 bytes)"
                             : "the image is neither a JPEG nor a PNG (by its first bytes)"};
}

}  // namespace spate::models
