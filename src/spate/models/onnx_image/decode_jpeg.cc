// SPDX-License-Identifier: Apache-2.0
//
// JPEG through libjpeg-turbo. Its errors arrive by longjmp, so no object with a destructor is
// made between setjmp and the end of a function here; what must be freed lives in the caller.
#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// After <cstdio>: this header uses FILE and size_t without including them.
#include <jerror.h>
#include <jpeglib.h>

#include "spate/base/check.h"
#include "spate/models/onnx_image/image.h"
#include "spate/models/onnx_image/image_limits.h"

namespace spate::models {
namespace {

struct JpegErrors {
  jpeg_error_mgr base;  // first: libjpeg passes its address
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void on_error(j_common_ptr cinfo) {
  auto* errors = reinterpret_cast<JpegErrors*>(cinfo->err);
  cinfo->err->format_message(cinfo, errors->message);
  std::longjmp(errors->jump, 1);
}

// Called with level -1 for a warning. libjpeg goes on after missing data and leaves grey; here
// that is an error. Other warnings (bytes too many between markers and the like) harm nothing.
void on_message(j_common_ptr cinfo, int level) {
  if (level >= 0) return;
  ++cinfo->err->num_warnings;
  const int code = cinfo->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER) on_error(cinfo);
}

struct ScanLimit {
  jpeg_progress_mgr base;  // first: libjpeg passes its address
  int max_scans;
};

void on_progress(j_common_ptr cinfo) {
  const auto* limit = reinterpret_cast<const ScanLimit*>(cinfo->progress);
  const auto* decompress = reinterpret_cast<j_decompress_ptr>(cinfo);
  if (decompress->input_scan_number > limit->max_scans) {
    auto* errors = reinterpret_cast<JpegErrors*>(cinfo->err);
    std::snprintf(errors->message, sizeof errors->message, "more than %d scans", limit->max_scans);
    std::longjmp(errors->jump, 1);
  }
}

// What stays alive across the longjmp.
struct Decoder {
  jpeg_decompress_struct cinfo{};
  JpegErrors errors{};
  ScanLimit scans{};
  bool created = false;

  ~Decoder() {
    if (created) jpeg_destroy_decompress(&cinfo);
  }
};

bool read_header(Decoder& decoder, std::string_view bytes) {
  if (setjmp(decoder.errors.jump) != 0) return false;
  jpeg_create_decompress(&decoder.cinfo);
  decoder.created = true;
  decoder.cinfo.progress = &decoder.scans.base;
  jpeg_mem_src(&decoder.cinfo, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&decoder.cinfo, TRUE);
  switch (decoder.cinfo.jpeg_color_space) {
    case JCS_GRAYSCALE:
      decoder.cinfo.out_color_space = JCS_GRAYSCALE;
      break;
    case JCS_CMYK:
    case JCS_YCCK:
      decoder.cinfo.out_color_space = JCS_CMYK;
      break;
    default:
      decoder.cinfo.out_color_space = JCS_RGB;
  }
  // The accurate integer transform with smooth chroma: libjpeg's defaults, said here because
  // the reference tensors depend on them.
  decoder.cinfo.dct_method = JDCT_ISLOW;
  decoder.cinfo.do_fancy_upsampling = TRUE;
  return true;
}

// `rows`: room for every output row, one after the other.
bool read_rows(Decoder& decoder, std::uint8_t* rows) {
  if (setjmp(decoder.errors.jump) != 0) return false;
  jpeg_start_decompress(&decoder.cinfo);
  const std::size_t stride = std::size_t{decoder.cinfo.output_width} *
                             static_cast<std::size_t>(decoder.cinfo.output_components);
  while (decoder.cinfo.output_scanline < decoder.cinfo.output_height) {
    JSAMPROW row = rows + stride * decoder.cinfo.output_scanline;
    jpeg_read_scanlines(&decoder.cinfo, &row, 1);
  }
  jpeg_finish_decompress(&decoder.cinfo);
  return true;
}

Error damaged(const Decoder& decoder) {
  return Error{ErrorCode::InvalidArgument,
               fmt::format("the JPEG is damaged or cut short: {}", decoder.errors.message)};
}

// a * b / 255, rounded, for 0 <= a, b <= 255, without dividing.
int scale_255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Adobe writes CMYK inverted (255 = no ink), and so does practically everyone.
void inverted_cmyk_to_rgb(const std::vector<std::uint8_t>& cmyk, std::vector<std::uint8_t>& rgb) {
  for (std::size_t in = 0, out = 0; in < cmyk.size(); in += 4, out += 3) {
    const int light = cmyk[in + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const int ink = 255 - cmyk[in + c];
      rgb[out + c] = static_cast<std::uint8_t>(std::max(0, light - scale_255(ink, light)));
    }
  }
}

// The fewest bytes that can hold these pixels: each block of 8 x 8 takes a bit at least, unless
// it is coded arithmetically.
std::int64_t least_bytes(const jpeg_decompress_struct& cinfo) {
  if (cinfo.arith_code) return 0;
  return std::int64_t{cinfo.image_width} * std::int64_t{cinfo.image_height} / 64 / 8;
}

}  // namespace

Result<Image> decode_jpeg(std::string_view bytes, const DecodeLimits& limits) {
  Decoder decoder;
  decoder.cinfo.err = jpeg_std_error(&decoder.errors.base);
  decoder.errors.base.error_exit = on_error;
  decoder.errors.base.emit_message = on_message;
  decoder.scans.base.progress_monitor = on_progress;
  decoder.scans.max_scans = limits.max_scans;
  if (!read_header(decoder, bytes)) return damaged(decoder);
  const std::int64_t width = decoder.cinfo.image_width;
  const std::int64_t height = decoder.cinfo.image_height;
  const Status claim = check_claim("JPEG", width, height, limits);
  if (!claim) return claim.error();
  const Status held = check_held("JPEG", width, height, bytes.size(), least_bytes(decoder.cinfo));
  if (!held) return held.error();

  Image image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  const std::size_t pixels =
      static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  image.rgb.resize(pixels * 3);
  if (decoder.cinfo.out_color_space == JCS_RGB) {
    if (!read_rows(decoder, image.rgb.data())) return damaged(decoder);
    return image;
  }
  const bool grey = decoder.cinfo.out_color_space == JCS_GRAYSCALE;
  std::vector<std::uint8_t> raw(pixels * (grey ? 1 : 4));
  if (!read_rows(decoder, raw.data())) return damaged(decoder);
  if (grey) {
    for (std::size_t i = 0; i < pixels; ++i) std::memset(&image.rgb[i * 3], raw[i], 3);
  } else {
    inverted_cmyk_to_rgb(raw, image.rgb);
  }
  return image;
}

std::vector<std::uint8_t> encode_jpeg(const Image& image, int quality) {
  SPATE_CHECK(image.width > 0 && image.height > 0, "an empty image cannot be encoded");
  jpeg_compress_struct cinfo{};
  jpeg_error_mgr errors{};
  // The default handler ends the process: with memory as the target only a bug gets there.
  cinfo.err = jpeg_std_error(&errors);
  jpeg_create_compress(&cinfo);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&cinfo, &buffer, &size);
  cinfo.image_width = static_cast<JDIMENSION>(image.width);
  cinfo.image_height = static_cast<JDIMENSION>(image.height);
  cinfo.input_components = 3;
  cinfo.in_color_space = JCS_RGB;
  jpeg_set_defaults(&cinfo);
  jpeg_set_quality(&cinfo, quality, TRUE);
  cinfo.comp_info[0].h_samp_factor = cinfo.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&cinfo, TRUE);
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  while (cinfo.next_scanline < cinfo.image_height) {
    auto* row = const_cast<JSAMPROW>(image.rgb.data() + stride * cinfo.next_scanline);
    jpeg_write_scanlines(&cinfo, &row, 1);
  }
  jpeg_finish_compress(&cinfo);
  jpeg_destroy_compress(&cinfo);
  std::vector<std::uint8_t> out(buffer, buffer + size);
  std::free(buffer);
  return out;
}

}  // namespace spate::models
