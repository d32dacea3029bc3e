// SPDX-License-Identifier: Apache-2.0
#include "spate/models/surface/surface_image.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "spate/base/check.h"

namespace spate::models {
namespace {

// A scalar field in [0, 1] units of brightness, addressed in pixels.
struct Field {
  int width;
  int height;
  std::vector<float> v;
  Field(int w, int h)
      : width(w), height(h), v(static_cast<std::size_t>(w) * static_cast<std::size_t>(h)) {}
  float& at(int x, int y) {
    return v[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
             static_cast<std::size_t>(x)];
  }
};

// Value noise on a lattice: a hash of the lattice point, smoothly interpolated. In [0, 1].
class Noise {
 public:
  explicit Noise(Rng& rng) : key_(rng.next()) {}

  float at(float x, float y) const {
    const float fx = std::floor(x);
    const float fy = std::floor(y);
    const auto ix = static_cast<std::int32_t>(fx);
    const auto iy = static_cast<std::int32_t>(fy);
    const float tx = smooth(x - fx);
    const float ty = smooth(y - fy);
    const float top = std::lerp(lattice(ix, iy), lattice(ix + 1, iy), tx);
    const float bottom = std::lerp(lattice(ix, iy + 1), lattice(ix + 1, iy + 1), tx);
    return std::lerp(top, bottom, ty);
  }

  // Octaves of halving size and weight. In [0, 1].
  float fractal(float x, float y, int octaves) const {
    float sum = 0.0F;
    float weight = 0.5F;
    float total = 0.0F;
    for (int i = 0; i < octaves; ++i) {
      sum += weight * at(x, y);
      total += weight;
      x = x * 2.0F + 17.3F;
      y = y * 2.0F + 5.9F;
      weight *= 0.5F;
    }
    return sum / total;
  }

  float lattice(std::int32_t x, std::int32_t y) const {
    std::uint64_t h = key_ ^ (static_cast<std::uint64_t>(static_cast<std::uint32_t>(x)) << 32) ^
                      static_cast<std::uint32_t>(y);
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ULL;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<float>((h ^ (h >> 31)) >> 40) * 0x1.0p-24F;
  }

 private:
  static float smooth(float t) { return t * t * (3.0F - 2.0F * t); }
  std::uint64_t key_;
};

float uniform(Rng& rng, double low, double high) {
  return static_cast<float>(rng.uniform(low, high));
}

float smoothstep(float low, float high, float x) {
  const float t = std::clamp((x - low) / (high - low), 0.0F, 1.0F);
  return t * t * (3.0F - 2.0F * t);
}

// What one image has in common: the camera's zoom and the rolling direction.
struct View {
  float zoom;  // pixels per unit: a defect of size 1 takes so many pixels
  float cos_a;
  float sin_a;
  // Along and across the rolling direction, in pixels.
  std::pair<float, float> rolled(float x, float y) const {
    return {x * cos_a + y * sin_a, y * cos_a - x * sin_a};
  }
};

// Brushed steel: fine streaks along the rolling direction over a soft cloudiness.
void draw_steel(Field& image, const View& view, Rng& rng) {
  const Noise streaks(rng);
  const Noise clouds(rng);
  const float base = uniform(rng, 0.38, 0.62);
  const float streak_gain = uniform(rng, 0.04, 0.12);
  const float cloud_gain = uniform(rng, 0.03, 0.08);
  const float length = uniform(rng, 25.0, 60.0);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const auto [along, across] = view.rolled(static_cast<float>(x), static_cast<float>(y));
      const float streak = streaks.fractal(along / length, across / 1.6F, 2) - 0.5F;
      const float cloud =
          clouds.fractal(static_cast<float>(x) / 70.0F, static_cast<float>(y) / 70.0F, 3) - 0.5F;
      image.at(x, y) = base + streak_gain * streak + cloud_gain * cloud;
    }
  }
}

void for_box(Field& image, float cx, float cy, float radius,
             const std::function<void(int, int)>& visit) {
  const int x0 = std::max(0, static_cast<int>(cx - radius));
  const int x1 = std::min(image.width - 1, static_cast<int>(cx + radius) + 1);
  const int y0 = std::max(0, static_cast<int>(cy - radius));
  const int y1 = std::min(image.height - 1, static_cast<int>(cy + radius) + 1);
  for (int y = y0; y <= y1; ++y) {
    for (int x = x0; x <= x1; ++x) visit(x, y);
  }
}

void draw_scratches(Field& image, const View& view, Rng& rng) {
  const int count = 2 + static_cast<int>(rng.below(5));
  const float main_angle = uniform(rng, 0.0, std::numbers::pi);
  for (int i = 0; i < count; ++i) {
    const float angle = main_angle + uniform(rng, -0.35, 0.35);
    const float length = view.zoom * uniform(rng, 4.0, 14.0);
    const float width = std::max(0.8F, view.zoom * uniform(rng, 0.04, 0.11));
    const float gain = uniform(rng, 0.22, 0.42) * (rng.uniform() < 0.75 ? 1.0F : -1.0F);
    const float bend = uniform(rng, -0.0015, 0.0015);
    const float cx = uniform(rng, 0.1, 0.9) * static_cast<float>(image.width);
    const float cy = uniform(rng, 0.1, 0.9) * static_cast<float>(image.height);
    const Noise fading(rng);
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        const float dx = static_cast<float>(x) - cx;
        const float dy = static_cast<float>(y) - cy;
        const float along = dx * std::cos(angle) + dy * std::sin(angle);
        if (std::abs(along) > length) continue;
        const float across = dy * std::cos(angle) - dx * std::sin(angle) - bend * along * along;
        if (std::abs(across) > 3.0F * width) continue;
        const float fade = smoothstep(1.0F, 0.7F, std::abs(along) / length) *
                           (0.6F + 0.4F * fading.at(along / 9.0F, 0.0F));
        image.at(x, y) += gain * fade * std::exp(-(across * across) / (width * width));
      }
    }
  }
}

void draw_pits(Field& image, const View& view, Rng& rng) {
  const int count = 14 + static_cast<int>(rng.below(40));
  for (int i = 0; i < count; ++i) {
    const float radius = std::max(1.2F, view.zoom * uniform(rng, 0.10, 0.34));
    const float cx = uniform(rng, 0.0, 1.0) * static_cast<float>(image.width);
    const float cy = uniform(rng, 0.0, 1.0) * static_cast<float>(image.height);
    const float depth = uniform(rng, 0.18, 0.38);
    for_box(image, cx, cy, 2.0F * radius, [&](int x, int y) {
      const float r = std::hypot(static_cast<float>(x) - cx, static_cast<float>(y) - cy) / radius;
      image.at(x, y) -= depth * smoothstep(1.0F, 0.55F, r);
      image.at(x, y) += 0.45F * depth * std::exp(-(r - 1.15F) * (r - 1.15F) * 22.0F);
    });
  }
}

void draw_patches(Field& image, const View& view, Rng& rng) {
  const Noise shape(rng);
  const Noise inside(rng);
  const float size = view.zoom * uniform(rng, 2.6, 4.5);
  const float threshold = uniform(rng, 0.54, 0.60);
  const float gain = -uniform(rng, 0.14, 0.28);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const auto fx = static_cast<float>(x);
      const auto fy = static_cast<float>(y);
      const float cover =
          smoothstep(threshold - 0.02F, threshold + 0.02F, shape.fractal(fx / size, fy / size, 4));
      image.at(x, y) += gain * cover * (0.75F + 0.5F * inside.fractal(fx / 12.0F, fy / 12.0F, 2));
    }
  }
}

void draw_inclusions(Field& image, const View& view, Rng& rng) {
  const int count = 3 + static_cast<int>(rng.below(8));
  for (int i = 0; i < count; ++i) {
    const float length = view.zoom * uniform(rng, 0.8, 2.6);
    const float width = std::max(1.2F, view.zoom * uniform(rng, 0.08, 0.22));
    const float cx = uniform(rng, 0.05, 0.95) * static_cast<float>(image.width);
    const float cy = uniform(rng, 0.05, 0.95) * static_cast<float>(image.height);
    const float depth = uniform(rng, 0.24, 0.42);
    const Noise edge(rng);
    for_box(image, cx, cy, length + 2.0F, [&](int x, int y) {
      const auto [along, across] =
          view.rolled(static_cast<float>(x) - cx, static_cast<float>(y) - cy);
      const float wobble = 0.6F + 0.9F * edge.fractal(along / 6.0F, 3.1F, 2);
      const float r = std::hypot(along / length, across / (width * wobble));
      image.at(x, y) -= depth * smoothstep(1.0F, 0.6F, r);
    });
  }
}

// Cracks run where a point is almost equally far from its two nearest cell centres.
void draw_crazing(Field& image, const View& view, Rng& rng) {
  const Noise cells_x(rng);
  const Noise cells_y(rng);
  const Noise strength(rng);
  const Noise warp(rng);
  const float cell = view.zoom * uniform(rng, 0.55, 0.95);
  const float depth = uniform(rng, 0.18, 0.32);
  const float width = uniform(rng, 0.05, 0.09);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const auto fx = static_cast<float>(x);
      const auto fy = static_cast<float>(y);
      const float u = fx / cell + 0.5F * warp.fractal(fx / 14.0F, fy / 14.0F, 2);
      const float w = fy / cell + 0.5F * warp.fractal(fx / 14.0F + 40.0F, fy / 14.0F, 2);
      const auto cu = static_cast<std::int32_t>(std::floor(u));
      const auto cw = static_cast<std::int32_t>(std::floor(w));
      float nearest = 9.0F;
      float second = 9.0F;
      for (std::int32_t j = -1; j <= 1; ++j) {
        for (std::int32_t i = -1; i <= 1; ++i) {
          const float px = static_cast<float>(cu + i) + cells_x.lattice(cu + i, cw + j);
          const float py = static_cast<float>(cw + j) + cells_y.lattice(cu + i, cw + j);
          const float d = std::hypot(px - u, py - w);
          if (d < nearest) {
            second = nearest;
            nearest = d;
          } else {
            second = std::min(second, d);
          }
        }
      }
      const float local = smoothstep(0.25F, 0.65F, strength.fractal(fx / 60.0F, fy / 60.0F, 2));
      image.at(x, y) -= depth * (0.35F + 0.65F * local) * smoothstep(width, 0.0F, second - nearest);
    }
  }
}

void draw_scale(Field& image, const View& view, Rng& rng) {
  const Noise flakes(rng);
  const Noise grain(rng);
  const Noise region(rng);
  const float size = view.zoom * uniform(rng, 0.30, 0.60);
  const float gain = uniform(rng, 0.20, 0.34);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const auto fx = static_cast<float>(x);
      const auto fy = static_cast<float>(y);
      const float where = smoothstep(0.34F, 0.50F, region.fractal(fx / 90.0F, fy / 90.0F, 2));
      const float flake = smoothstep(0.50F, 0.57F, flakes.fractal(fx / size, fy / size, 5));
      const float speckle = grain.at(fx / 1.5F, fy / 1.5F) - 0.5F;
      image.at(x, y) -= gain * where * flake;
      image.at(x, y) += 0.16F * where * speckle;
    }
  }
}

// Light falls off across the plate; the lens darkens the corners; the sensor adds noise and tint.
RgbImage expose(Field& image, Rng& rng) {
  const float slope_x = uniform(rng, -0.22, 0.22);
  const float slope_y = uniform(rng, -0.22, 0.22);
  const float gain = uniform(rng, 0.75, 1.25);
  const float vignette = uniform(rng, 0.0, 0.25);
  const float noise = uniform(rng, 0.006, 0.030);
  const float tint[3] = {uniform(rng, -0.025, 0.025), uniform(rng, -0.01, 0.01),
                         uniform(rng, -0.025, 0.03)};
  RgbImage out{image.width, image.height, {}};
  out.pixels.reserve(image.v.size() * 3);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const float u = 2.0F * static_cast<float>(x) / static_cast<float>(image.width) - 1.0F;
      const float w = 2.0F * static_cast<float>(y) / static_cast<float>(image.height) - 1.0F;
      const float light =
          gain * (1.0F + slope_x * u + slope_y * w) * (1.0F - vignette * 0.5F * (u * u + w * w));
      const float value = image.at(x, y) * light + noise * static_cast<float>(rng.normal());
      for (const float shift : tint) {
        out.pixels.push_back(static_cast<std::uint8_t>(
            std::clamp(255.0F * (value * (1.0F + shift)) + 0.5F, 0.0F, 255.0F)));
      }
    }
  }
  return out;
}

}  // namespace

RgbImage draw_surface(SurfaceClass kind, int width, int height, Rng& rng) {
  SPATE_CHECK(width >= 32 && width <= 4096 && height >= 32 && height <= 4096, "size in [32, 4096]");
  Field image(width, height);
  // Light and sensor have a stream of their own, so that two classes drawn from equal streams
  // differ by the defect alone.
  Rng light(rng.next(), "light");
  const float angle = uniform(rng, -0.25, 0.25);
  const View view{uniform(rng, 0.8, 1.25) * static_cast<float>(std::min(width, height)) / 12.0F,
                  std::cos(angle), std::sin(angle)};
  draw_steel(image, view, rng);
  switch (kind) {
    case SurfaceClass::Clean:
      break;
    case SurfaceClass::Crazing:
      draw_crazing(image, view, rng);
      break;
    case SurfaceClass::Inclusions:
      draw_inclusions(image, view, rng);
      break;
    case SurfaceClass::Patches:
      draw_patches(image, view, rng);
      break;
    case SurfaceClass::Pits:
      draw_pits(image, view, rng);
      break;
    case SurfaceClass::Scale:
      draw_scale(image, view, rng);
      break;
    case SurfaceClass::Scratches:
      draw_scratches(image, view, rng);
      break;
  }
  return expose(image, light);
}

}  // namespace spate::models
