// SPDX-License-Identifier: Apache-2.0
//
// Writes a folder of synthetic surface images with labels.csv (file,label,split). Compiled into
// the module libspate_surface.so (it needs libjpeg), which `spate dataset make surface` opens.
#pragma once

#include <cstdint>
#include <filesystem>

#include "spate/base/result.h"

namespace spate::models {

struct SurfaceOptions {
  int count = 420;         // images over all seven classes, in turn; at least 14
  std::uint64_t seed = 1;  // equal seeds give equal files (per build)
  int min_side = 200;      // pixels; each image's sides are drawn from [min_side, max_side]
  int max_side = 320;
  int quality = 88;              // JPEG, 1 to 100
  double held_out_ratio = 0.25;  // share of each class that is marked held_out, the rest train
};

// Creates `directory`. InvalidArgument for options out of range; otherwise what could not be
// written.
Status make_surface_dataset(const std::filesystem::path& directory, const SurfaceOptions& options);

// What the module exports as `extern "C" spate::models::SurfaceModule spate_surface_module()`.
struct SurfaceModule {
  int abi = 1;
  Status (*make)(const std::filesystem::path&, const SurfaceOptions&) = nullptr;
};

}  // namespace spate::models
