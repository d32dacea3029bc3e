// SPDX-License-Identifier: Apache-2.0
//
// Pictures that lie, break off or bear a grudge.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "spate/base/files.h"
#include "spate/base/rng.h"
#include "spate/models/onnx_image/image.h"

namespace spate::models {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string file(const std::string& name) {
  const auto bytes =
      read_file(std::filesystem::path(SPATE_SOURCE_DIR) / "tests/data/images" / name);
  EXPECT_TRUE(bytes) << name;
  return bytes ? *bytes : std::string();
}

void expect_refused(std::string_view bytes, const std::string& reason,
                    const DecodeLimits& limits = {}) {
  const auto image = decode_image(bytes, limits);
  ASSERT_FALSE(image) << "expected: " << reason;
  EXPECT_EQ(image.error().code, ErrorCode::InvalidArgument);
  EXPECT_THAT(image.error().message, HasSubstr(reason));
}

// Where the JPEG's frame header has its height (2 bytes) and width (2 bytes).
std::size_t jpeg_size_at(const std::string& jpeg) {
  for (std::size_t at = 2; at + 9 < jpeg.size();) {
    const auto marker = static_cast<unsigned char>(jpeg[at + 1]);
    if (marker >= 0xC0 && marker <= 0xC2) return at + 5;
    at += 2 + static_cast<unsigned char>(jpeg[at + 2]) * 256U +
          static_cast<unsigned char>(jpeg[at + 3]);
  }
  ADD_FAILURE() << "no frame header";
  return 0;
}

std::uint32_t crc32_of(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

void put_be32(std::string& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (24 - 8 * i));
}

// The PNG with another width and height in a header whose checksum is right.
std::string png_claiming(std::string png, std::uint32_t width, std::uint32_t height) {
  put_be32(png, 16, width);
  put_be32(png, 20, height);
  put_be32(png, 29, crc32_of(std::string_view(png).substr(12, 17)));
  return png;
}

TEST(HostileImage, NoImageAtAll) {
  expect_refused("", "empty");
  expect_refused("GIF89a and so on", "neither a JPEG nor a PNG");
  expect_refused(std::string(1000, '\0'), "neither a JPEG nor a PNG");
  expect_refused("\xFF\xD8\xFF", "JPEG");
  expect_refused("\x89PNG\r\n\x1A\n", "PNG");
}

TEST(HostileImage, CutShortAnywhere) {
  for (const auto* name : {"square.jpg", "odd_portrait.jpg", "cmyk.jpg", "alpha.png", "bits.png"}) {
    const std::string whole = file(name);
    ASSERT_TRUE(decode_image(whole));
    for (const std::size_t percent : {1U, 10U, 30U, 50U, 70U, 90U, 97U}) {
      const auto image =
          decode_image(std::string_view(whole).substr(0, whole.size() * percent / 100));
      ASSERT_FALSE(image) << name << " " << percent << " %";
      EXPECT_THAT(image.error().message,
                  AnyOf(HasSubstr("cut short"), HasSubstr("neither"), HasSubstr("empty")));
    }
  }
}

TEST(HostileImage, AClaimOfManyPixelsAllocatesNothing) {
  std::string jpeg = file("square.jpg");
  const std::size_t at = jpeg_size_at(jpeg);
  for (const std::size_t i : {at, at + 2}) {
    jpeg[i] = static_cast<char>(0xFF);
    jpeg[i + 1] = static_cast<char>(0xDC);  // libjpeg's own bound
  }
  expect_refused(jpeg, "65500 x 65500");
  expect_refused(png_claiming(file("alpha.png"), 0x7FFFFFFF, 0x7FFFFFFF), "2147483647");
  expect_refused(png_claiming(file("alpha.png"), 30001, 1), "30001 x 1");
}

TEST(HostileImage, AClaimWithinTheLimitsThatTheBytesCannotHold) {
  std::string jpeg = file("square.jpg");
  const std::size_t at = jpeg_size_at(jpeg);
  for (const std::size_t i : {at, at + 2}) {
    jpeg[i] = 0x1A;  // 6 800 pixels or so
    jpeg[i + 1] = 0x00;
  }
  expect_refused(jpeg, "cannot hold");
  expect_refused(png_claiming(file("bits.png"), 7000, 7000), "cannot hold");
}

TEST(HostileImage, NoPixels) {
  expect_refused(png_claiming(file("alpha.png"), 0, 10), "PNG");
  std::string jpeg = file("square.jpg");
  jpeg[jpeg_size_at(jpeg) + 2] = jpeg[jpeg_size_at(jpeg) + 3] = 0;
  expect_refused(jpeg, "JPEG");
}

TEST(HostileImage, TheLimitsAreTheCallers) {
  DecodeLimits limits;
  limits.max_pixels = 200 * 200;
  EXPECT_TRUE(decode_image(file("square.jpg"), limits));
  limits.max_pixels = 200 * 200 - 1;
  expect_refused(file("square.jpg"), "at most 39999", limits);
  limits = {};
  limits.max_side = 120;
  expect_refused(file("alpha.png"), "120 a side", limits);
}

TEST(HostileImage, TooManyScans) {
  DecodeLimits limits;
  limits.max_scans = 3;  // an ordinary progressive JPEG has ten
  expect_refused(file("odd_portrait.jpg"), "more than 3 scans", limits);
  EXPECT_TRUE(decode_image(file("square.jpg"), limits));
}

TEST(HostileImage, ADamagedChecksum) {
  std::string png = file("alpha.png");
  png[20] = static_cast<char>(png[20] ^ 1);
  expect_refused(png, "damaged");
}

// Whatever was flipped: an image of the size it says or a reason, and (under the sanitisers)
// nothing read or written where it should not be.
TEST(HostileImage, FlippedBytes) {
  Rng rng(1, "flips");
  int decoded = 0;
  int refused = 0;
  for (const auto* name : {"square.jpg", "cmyk.jpg", "grey.jpg", "palette.png", "bits.png"}) {
    const std::string whole = file(name);
    for (int i = 0; i < 60; ++i) {
      std::string bytes = whole;
      for (int flips = 0; flips < 4; ++flips) {
        bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(256));
      }
      const auto image = decode_image(bytes);
      if (image) {
        ++decoded;
        EXPECT_EQ(image->rgb.size(), static_cast<std::size_t>(image->width) *
                                         static_cast<std::size_t>(image->height) * 3);
      } else {
        ++refused;
        EXPECT_FALSE(image.error().message.empty());
      }
    }
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(decoded, 50);
}

TEST(EncodeJpeg, DecodesToNearlyTheSame) {
  const auto original = decode_image(file("square.jpg"));
  ASSERT_TRUE(original);
  const auto jpeg = encode_jpeg(*original, 98);
  const auto again = decode_image({reinterpret_cast<const char*>(jpeg.data()), jpeg.size()});
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_EQ(again->rgb.size(), original->rgb.size());
  double difference = 0.0;
  for (std::size_t i = 0; i < again->rgb.size(); ++i) {
    difference += std::abs(again->rgb[i] - original->rgb[i]);
  }
  EXPECT_LT(difference / static_cast<double>(again->rgb.size()), 3.0);
}

}  // namespace
}  // namespace spate::models
