// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "spate/base/check.h"

namespace spate::models {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // sums of 8-bit samples fit 32 bits, with a sign

// For each output position: which input samples, and with which weights.
struct Weights {
  int taps = 0;                      // room per output position
  std::vector<int> first;            // first input sample
  std::vector<int> count;            // how many
  std::vector<std::int32_t> weight;  // `taps` per output position, sum 1 << kFractionBits
};

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

Weights make_weights(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);  // widened when shrinking: the antialiasing
  const double support = filter_scale;               // the triangle's half width is 1
  Weights weights;
  weights.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  weights.first.resize(static_cast<std::size_t>(out));
  weights.count.resize(static_cast<std::size_t>(out));
  weights.weight.assign(static_cast<std::size_t>(out) * static_cast<std::size_t>(weights.taps), 0);
  std::vector<double> exact(static_cast<std::size_t>(weights.taps));
  for (int position = 0; position < out; ++position) {
    const double centre = (position + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int count = std::min(in, static_cast<int>(centre + support + 0.5)) - first;
    double sum = 0.0;
    for (int i = 0; i < count; ++i) {
      exact[static_cast<std::size_t>(i)] = triangle((i + first - centre + 0.5) / filter_scale);
      sum += exact[static_cast<std::size_t>(i)];
    }
    auto* fixed =
        &weights
             .weight[static_cast<std::size_t>(position) * static_cast<std::size_t>(weights.taps)];
    for (int i = 0; i < count; ++i) {
      const double weight = exact[static_cast<std::size_t>(i)] / sum;
      fixed[i] = static_cast<std::int32_t>(0.5 + weight * (1 << kFractionBits));
    }
    weights.first[static_cast<std::size_t>(position)] = first;
    weights.count[static_cast<std::size_t>(position)] = count;
  }
  return weights;
}

std::uint8_t to_sample(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);

void horizontal(const std::uint8_t* in, std::uint8_t* out, int out_width, const Weights& weights) {
  for (int x = 0; x < out_width; ++x) {
    const auto at = static_cast<std::size_t>(x);
    const std::int32_t* weight = &weights.weight[at * static_cast<std::size_t>(weights.taps)];
    const std::uint8_t* sample = in + static_cast<std::size_t>(weights.first[at]) * 3;
    std::int32_t r = kHalf, g = kHalf, b = kHalf;
    for (int i = 0; i < weights.count[at]; ++i, sample += 3) {
      r += sample[0] * weight[i];
      g += sample[1] * weight[i];
      b += sample[2] * weight[i];
    }
    out[at * 3] = to_sample(r);
    out[at * 3 + 1] = to_sample(g);
    out[at * 3 + 2] = to_sample(b);
  }
}

// One output row from rows of `stride` bytes. Row by row over the taps, so that the compiler can
// take many columns at once.
void vertical(const std::uint8_t* in, std::size_t stride, std::uint8_t* out, int y,
              const Weights& weights, std::vector<std::int32_t>& sums) {
  const auto at = static_cast<std::size_t>(y);
  const std::int32_t* weight = &weights.weight[at * static_cast<std::size_t>(weights.taps)];
  std::fill(sums.begin(), sums.end(), kHalf);
  for (int i = 0; i < weights.count[at]; ++i) {
    const std::uint8_t* row = in + static_cast<std::size_t>(weights.first[at] + i) * stride;
    for (std::size_t x = 0; x < stride; ++x) sums[x] += row[x] * weight[i];
  }
  for (std::size_t x = 0; x < stride; ++x) out[x] = to_sample(sums[x]);
}

}  // namespace

Image resize_bilinear(const Image& image, int width, int height) {
  SPATE_CHECK(image.width > 0 && image.height > 0 && width > 0 && height > 0, "sizes are positive");
  Image wide;  // right width, height of the input
  if (width == image.width) {
    wide = image;
  } else {
    const Weights weights = make_weights(image.width, width);
    wide.width = width;
    wide.height = image.height;
    wide.rgb.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(image.height) * 3);
    for (int y = 0; y < image.height; ++y) {
      horizontal(
          &image.rgb[static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) * 3],
          &wide.rgb[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3], width,
          weights);
    }
  }
  if (height == image.height) return wide;
  const Weights weights = make_weights(image.height, height);
  Image out;
  out.width = width;
  out.height = height;
  const std::size_t stride = static_cast<std::size_t>(width) * 3;
  out.rgb.resize(stride * static_cast<std::size_t>(height));
  std::vector<std::int32_t> sums(stride);
  for (int y = 0; y < height; ++y) {
    vertical(wide.rgb.data(), stride, &out.rgb[static_cast<std::size_t>(y) * stride], y, weights,
             sums);
  }
  return out;
}

Image crop(const Image& image, int left, int top, int width, int height) {
  SPATE_CHECK(width > 0 && height > 0, "sizes are positive");
  Image out;
  out.width = width;
  out.height = height;
  out.rgb.assign(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, 0);
  const int x0 = std::max(0, left);
  const int x1 = std::min(image.width, left + width);
  if (x1 <= x0) return out;
  for (int y = std::max(0, top); y < std::min(image.height, top + height); ++y) {
    const auto from = (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) +
                       static_cast<std::size_t>(x0)) *
                      3;
    const auto to = (static_cast<std::size_t>(y - top) * static_cast<std::size_t>(width) +
                     static_cast<std::size_t>(x0 - left)) *
                    3;
    std::memcpy(&out.rgb[to], &image.rgb[from], static_cast<std::size_t>(x1 - x0) * 3);
  }
  return out;
}

}  // namespace spate::models
