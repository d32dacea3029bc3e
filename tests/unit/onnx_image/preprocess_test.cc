// SPDX-License-Identifier: Apache-2.0
//
// Decoding and preprocessing against torchvision's tensors (tools/make_reference_tensors.py), and
// the settings that a manifest keeps.
#include "spate/models/onnx_image/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "spate/base/files.h"
#include "spate/models/onnx_image/resize.h"

namespace spate::models {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::filesystem::path images() {
  return std::filesystem::path(SPATE_SOURCE_DIR) / "tests/data/images";
}

std::vector<json> references() {
  std::ifstream file(images() / "references.json");
  return json::parse(file).get<std::vector<json>>();
}

class Reference : public ::testing::TestWithParam<json> {};

TEST_P(Reference, PixelsAreWhatPillowDecodes) {
  const json& reference = GetParam();
  const auto bytes = read_file(images() / reference["file"].get<std::string>());
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto image = decode_image(*bytes);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(image->width, reference["size"][0].get<int>());
  EXPECT_EQ(image->height, reference["size"][1].get<int>());
  EXPECT_EQ(std::accumulate(image->rgb.begin(), image->rgb.end(), std::int64_t{0}),
            reference["rgb_sum"].get<std::int64_t>());
}

TEST_P(Reference, TensorIsTorchvisionsWithinAThousandth) {
  const json& reference = GetParam();
  const auto bytes = read_file(images() / reference["file"].get<std::string>());
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto image = decode_image(*bytes);
  ASSERT_TRUE(image) << image.error().message;
  ImageSettings settings;
  settings.resize = reference["resize"];
  settings.crop = reference["crop"];
  std::vector<float> tensor(settings.tensor_size());
  preprocess(*image, settings, tensor);

  ASSERT_GE(reference["points"].size(), 300U);
  for (const auto& point : reference["points"]) {
    EXPECT_NEAR(tensor.at(point[0].get<std::size_t>()), point[1].get<double>(), 1e-3)
        << "position " << point[0];
  }
  const double count = static_cast<double>(tensor.size());
  const double mean = std::accumulate(tensor.begin(), tensor.end(), 0.0) / count;
  double squares = 0.0;
  for (const float value : tensor) squares += (value - mean) * (value - mean);
  EXPECT_NEAR(mean, reference["mean"].get<double>(), 1e-4);
  EXPECT_NEAR(std::sqrt(squares / count), reference["deviation"].get<double>(), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Torchvision, Reference, ::testing::ValuesIn(references()),
                         [](const auto& one) {
                           std::string name = one.param["file"].template get<std::string>();
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

Image gradient(int width, int height) {
  Image image;
  image.width = width;
  image.height = height;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int value : {x * 7, y * 5, x + y}) {
        image.rgb.push_back(static_cast<std::uint8_t>(value % 256));
      }
    }
  }
  return image;
}

TEST(Preprocess, ChannelsLastHoldsTheSameNumbers) {
  const Image image = gradient(61, 47);
  ImageSettings settings;
  settings.resize = 40;
  settings.crop = 32;
  std::vector<float> first(settings.tensor_size());
  preprocess(image, settings, first);
  settings.layout = Layout::Nhwc;
  std::vector<float> last(settings.tensor_size());
  preprocess(image, settings, last);
  for (std::size_t p = 0; p < 32 * 32; ++p) {
    for (std::size_t c = 0; c < 3; ++c) {
      ASSERT_EQ(last[p * 3 + c], first[c * 32 * 32 + p]) << "pixel " << p << " channel " << c;
    }
  }
}

TEST(Preprocess, ResizeZeroIgnoresProportions) {
  const Image image = gradient(64, 16);
  ImageSettings settings;
  settings.resize = 0;
  settings.crop = 16;
  settings.mean = {0, 0, 0};
  settings.std = {1, 1, 1};
  std::vector<float> tensor(settings.tensor_size());
  preprocess(image, settings, tensor);
  const Image expected = resize_bilinear(image, 16, 16);
  for (std::size_t p = 0; p < 16 * 16; ++p) {
    ASSERT_NEAR(tensor[p], static_cast<float>(expected.rgb[p * 3]) / 255.0F, 1e-6F);
  }
}

// 30 000 x 1 would be 1 200 000 x 40 before the crop: only what the crop sees is resized.
TEST(Preprocess, AVeryLongStripGivesItsMiddle) {
  Image strip;
  strip.width = 30'000;
  strip.height = 1;
  strip.rgb.assign(3 * 30'000, 0);
  std::fill_n(strip.rgb.begin() + 3 * 14'990, 3 * 20, std::uint8_t{255});
  ImageSettings settings;
  settings.resize = 40;
  settings.crop = 32;
  settings.mean = {0, 0, 0};
  settings.std = {1, 1, 1};
  std::vector<float> tensor(settings.tensor_size());
  preprocess(strip, settings, tensor);
  EXPECT_THAT(tensor, ::testing::Each(::testing::FloatNear(1.0F, 1e-6F)));
}

TEST(Resize, ToItsOwnSizeIsACopy) {
  const Image image = gradient(13, 9);
  EXPECT_EQ(resize_bilinear(image, 13, 9).rgb, image.rgb);
}

TEST(Resize, OneColourStaysIt) {
  Image image = gradient(33, 21);
  std::fill(image.rgb.begin(), image.rgb.end(), std::uint8_t{201});
  const Image resized = resize_bilinear(image, 7, 50);
  EXPECT_EQ(resized.rgb, std::vector<std::uint8_t>(7 * 50 * 3, 201));
}

TEST(ImageSettings, RoundTrip) {
  ImageSettings settings;
  settings.resize = 300;
  settings.crop = 299;
  settings.mean = {0.5F, 0.25F, 0.125F};
  settings.std = {0.1F, 0.2F, 0.3F};
  settings.layout = Layout::Nhwc;
  settings.input = "data";
  settings.output = "prob";
  settings.output_kind = OutputKind::Probabilities;
  settings.max_batch = 1;
  settings.quantised = true;
  settings.top_k = 3;
  const auto read = parse_image_settings(to_json(settings));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read), to_json(settings));
  EXPECT_EQ(read->mean, settings.mean);
  EXPECT_EQ(read->std, settings.std);
}

TEST(ImageSettings, AWrongOneNamesItsKey) {
  for (const auto& [text, key] :
       {std::pair{R"({"crop":0})", "crop"}, std::pair{R"({"std":[1,1,0]})", "std"},
        std::pair{R"({"mean":[1,1]})", "mean"}, std::pair{R"({"layout":"hwc"})", "layout"},
        std::pair{R"({"sharpen":1})", "sharpen"}, std::pair{R"({"top_k":0})", "top_k"}}) {
    const auto read = parse_image_settings(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::InvalidArgument);
    EXPECT_THAT(read.error().message, HasSubstr(key));
  }
}

}  // namespace
}  // namespace spate::models
