// SPDX-License-Identifier: Apache-2.0
//
// Synthetic surface-inspection images: rolled steel under varied light, zoom and sensor noise,
// with one kind of defect, or none. Used by `spate dataset make surface`, so that an image model
// can be trained and tested without any download. The images are made, not photographed: an
// accuracy on them says nothing of a real inspection line.
//
// Pure: the same class, size and random stream give the same pixels (per build).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "spate/base/rng.h"

namespace spate::models {

enum class SurfaceClass : std::uint8_t {
  Clean,
  Crazing,     // a net of fine cracks
  Inclusions,  // short dark streaks along the rolling direction
  Patches,     // large irregular areas of another brightness
  Pits,        // small round dents, dark with a bright rim
  Scale,       // rolled-in oxide: flaky, mottled
  Scratches,   // long thin lines, bright or dark
};
inline constexpr std::array<std::string_view, 7> kSurfaceLabels{
    "clean", "crazing", "inclusions", "patches", "pits", "scale", "scratches"};

struct RgbImage {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  // row by row, R G B; 3 * width * height bytes
};

// Draws one image. `rng` supplies every random choice. Requires width and height in [32, 4096].
RgbImage draw_surface(SurfaceClass kind, int width, int height, Rng& rng);

}  // namespace spate::models
