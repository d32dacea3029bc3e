// SPDX-License-Identifier: Apache-2.0
//
// PNG through libpng. Its errors arrive by longjmp, so no object with a destructor is made
// between setjmp and the end of a function here; what must be freed lives in the caller.
#include <fmt/format.h>
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "spate/models/onnx_image/image.h"
#include "spate/models/onnx_image/image_limits.h"

namespace spate::models {
namespace {

// What stays alive across the longjmp.
struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string_view rest;  // input not yet read
  std::jmp_buf jump{};
  char message[160] = "";

  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* decoder = static_cast<Decoder*>(png_get_error_ptr(png));
  std::snprintf(decoder->message, sizeof decoder->message, "%s", message);
  std::longjmp(decoder->jump, 1);
}

void on_warning(png_structp, png_const_charp) {}  // about chunks that carry no pixels

void on_read(png_structp png, png_bytep out, png_size_t length) {
  auto* decoder = static_cast<Decoder*>(png_get_io_ptr(png));
  if (decoder->rest.size() < length) png_error(png, "the data ends early");
  std::memcpy(out, decoder->rest.data(), length);
  decoder->rest.remove_prefix(length);
}

bool read_header(Decoder& decoder) {
  if (setjmp(decoder.jump) != 0) return false;
  png_set_read_fn(decoder.png, &decoder, on_read);
  // The size is judged by check_claim, which says it better; this is libpng's own, wider bound.
  png_set_user_limits(decoder.png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(decoder.png, 4 << 20);  // text and colour profiles
  png_set_chunk_cache_max(decoder.png, 64);
  // Ancillary chunks say nothing about the pixels as used here (no colour management).
  png_set_keep_unknown_chunks(decoder.png, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
  png_read_info(decoder.png, decoder.info);
  return true;
}

// Asks libpng for 8-bit RGB. Returns the number of passes (7 if interlaced).
int ask_for_rgb(Decoder& decoder) {
  png_set_strip_16(decoder.png);
  png_set_palette_to_rgb(decoder.png);
  if (png_get_color_type(decoder.png, decoder.info) == PNG_COLOR_TYPE_GRAY) {
    png_set_expand_gray_1_2_4_to_8(decoder.png);
  }
  png_set_strip_alpha(decoder.png);
  png_set_gray_to_rgb(decoder.png);
  return png_set_interlace_handling(decoder.png);
}

bool read_rows(Decoder& decoder, std::uint8_t* rgb, std::size_t stride, std::size_t rows) {
  if (setjmp(decoder.jump) != 0) return false;
  const int passes = ask_for_rgb(decoder);
  png_read_update_info(decoder.png, decoder.info);
  if (png_get_rowbytes(decoder.png, decoder.info) != stride) {
    png_error(decoder.png, "unexpected row size");
  }
  for (int pass = 0; pass < passes; ++pass) {
    for (std::size_t row = 0; row < rows; ++row) {
      png_read_row(decoder.png, rgb + row * stride, nullptr);
    }
  }
  png_read_end(decoder.png, nullptr);
  return true;
}

Error damaged(const Decoder& decoder) {
  return Error{ErrorCode::InvalidArgument,
               fmt::format("the PNG is damaged or cut short: {}", decoder.message)};
}

}  // namespace

Result<Image> decode_png(std::string_view bytes, const DecodeLimits& limits) {
  Decoder decoder;
  decoder.rest = bytes;
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, on_error, on_warning);
  if (decoder.png != nullptr) decoder.info = png_create_info_struct(decoder.png);
  if (decoder.info == nullptr) return Error{ErrorCode::Exhausted, "libpng: out of memory"};
  if (!read_header(decoder)) return damaged(decoder);
  const std::int64_t width = png_get_image_width(decoder.png, decoder.info);
  const std::int64_t height = png_get_image_height(decoder.png, decoder.info);
  const Status claim = check_claim("PNG", width, height, limits);
  if (!claim) return claim.error();
  const auto row_bytes = static_cast<std::int64_t>(png_get_rowbytes(decoder.png, decoder.info));
  // Deflate shrinks by 1032 at most.
  const Status held = check_held("PNG", width, height, bytes.size(), row_bytes * height / 1032);
  if (!held) return held.error();

  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  const std::size_t stride = static_cast<std::size_t>(width) * 3;
  image.rgb.resize(stride * static_cast<std::size_t>(height));
  if (!read_rows(decoder, image.rgb.data(), stride, static_cast<std::size_t>(height))) {
    return damaged(decoder);
  }
  return image;
}

}  // namespace spate::models
