// SPDX-License-Identifier: Apache-2.0
#include "spate/models/surface/surface_dataset.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>
#include <string>
#include <vector>

// After <cstdio>.
#include <jpeglib.h>

#include "spate/base/files.h"
#include "spate/models/surface/surface_image.h"

namespace spate::models {
namespace {

std::string encode_jpeg(const RgbImage& image, int quality) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = static_cast<JDIMENSION>(image.width);
  jpeg.image_height = static_cast<JDIMENSION>(image.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, quality, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  const auto stride = 3 * static_cast<std::size_t>(image.width);
  while (jpeg.next_scanline < jpeg.image_height) {
    // libjpeg takes a non-const row but only reads it.
    auto* row = const_cast<JSAMPROW>(image.pixels.data() + jpeg.next_scanline * stride);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string out(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&jpeg);
  std::free(bytes);
  return out;
}

Status check(const SurfaceOptions& o) {
  const auto bad = [](const std::string& what) { return Error{ErrorCode::InvalidArgument, what}; };
  const int classes = static_cast<int>(kSurfaceLabels.size());
  if (o.count < 2 * classes || o.count > 1'000'000) {
    return bad(
        fmt::format("count: expected a number in [{}, 1000000], got {}", 2 * classes, o.count));
  }
  if (o.min_side < 32 || o.max_side > 4096 || o.min_side > o.max_side) {
    return bad(fmt::format("sides: expected 32 <= min <= max <= 4096 pixels, got {} and {}",
                           o.min_side, o.max_side));
  }
  if (o.quality < 1 || o.quality > 100) {
    return bad(fmt::format("quality: expected a number in [1, 100], got {}", o.quality));
  }
  if (!(o.held_out_ratio >= 0.0 && o.held_out_ratio < 1.0)) {
    return bad(
        fmt::format("held-out ratio: expected a number in [0, 1), got {}", o.held_out_ratio));
  }
  return ok();
}

}  // namespace

Status make_surface_dataset(const std::filesystem::path& directory, const SurfaceOptions& options) {
  if (auto status = check(options); !status) return status;
  const auto classes = kSurfaceLabels.size();
  std::string labels = "file,label,split\n";
  for (int i = 0; i < options.count; ++i) {
    const auto kind = static_cast<std::size_t>(i) % classes;
    const int nth = i / static_cast<int>(classes);
    // A stream per image: the first images of a larger set are those of a smaller one.
    Rng rng(options.seed, "surface", static_cast<std::uint64_t>(i));
    const auto span = static_cast<std::uint64_t>(options.max_side - options.min_side + 1);
    const int width = options.min_side + static_cast<int>(rng.below(span));
    const int height = options.min_side + static_cast<int>(rng.below(span));
    const RgbImage image = draw_surface(static_cast<SurfaceClass>(kind), width, height, rng);
    const std::string file = fmt::format("{}_{:04}.jpg", kSurfaceLabels[kind], nth + 1);
    if (auto status = write_file(directory / file, encode_jpeg(image, options.quality)); !status) {
      return status;
    }
    const double before = std::floor(options.held_out_ratio * nth);
    const bool held_out = std::floor(options.held_out_ratio * (nth + 1)) > before;
    labels +=
        fmt::format("{},{},{}\n", file, kSurfaceLabels[kind], held_out ? "held_out" : "train");
  }
  return write_file(directory / "labels.csv", labels);
}

}  // namespace spate::models
