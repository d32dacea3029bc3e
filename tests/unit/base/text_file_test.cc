// SPDX-License-Identifier: Apache-2.0
#include "spate/base/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/gzip.h"
#include "testing/test_folder.h"

namespace spate {
namespace {

using test::gzip;
using ::testing::HasSubstr;

TEST(Gunzip, UnpacksMembersAndRefusesDamage) {
  const std::string packed = gzip("t_s,requests\n") + gzip("0,1\n60,2\n");
  EXPECT_EQ(gunzip(packed, "x").value(), "t_s,requests\n0,1\n60,2\n");
  const auto cut = gunzip(std::string_view(packed).substr(0, packed.size() - 6), "x.gz");
  ASSERT_FALSE(cut.has_value());
  EXPECT_THAT(cut.error().message, HasSubstr("x.gz: the gzip data ends too early"));
  std::string damaged = packed;
  damaged[14] = static_cast<char>(damaged[14] ^ 0x55);
  EXPECT_FALSE(gunzip(damaged, "x").has_value());
  EXPECT_FALSE(gunzip(packed + "tail", "x").has_value());
  EXPECT_FALSE(gunzip("", "x").has_value());
  const auto bomb = gunzip(gzip(std::string(1 << 20, 'a')), "x", 1000);
  ASSERT_FALSE(bomb.has_value());
  EXPECT_THAT(bomb.error().message, HasSubstr("more than 1000 bytes"));
}

// However the bytes come, and with more behind one byte than a buffer holds.
TEST(Gunzip, TakesItByteByByte) {
  const std::string text = std::string(300'000, 'a') + "end\n";
  const std::string packed = gzip(text) + gzip("more");
  std::string out;
  Gunzip unpacker("x");
  for (const char& byte : packed) {
    ASSERT_TRUE(unpacker.feed({&byte, 1}, [&](std::string_view piece) {
      out += piece;
      return ok();
    }));
  }
  EXPECT_TRUE(unpacker.finish());
  EXPECT_EQ(out, text + "more");
}

TEST(ReadTextPieces, PackedOrNotAndEndsWhenToldTo) {
  const test::TestFolder folder;
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + "\n";
  for (const auto& file : {folder.write("a", text), folder.write("b", gzip(text))}) {
    EXPECT_EQ(read_text_or_gz(file).value(), text) << file;
    int pieces = 0;
    const Status stopped = read_text_pieces(file, [&](std::string_view piece) -> Status {
      EXPECT_LE(piece.size(), std::size_t{1} << 16U) << "memory must not grow with the file";
      if (++pieces == 2) return Error{ErrorCode::InvalidArgument, "enough"};
      return ok();
    });
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().message, "enough");
    EXPECT_EQ(pieces, 2);
  }
  EXPECT_EQ(read_text_or_gz(folder.write("empty", "")).value(), "");
  EXPECT_THAT(read_text_or_gz(folder / "none").error().message, HasSubstr("cannot open"));
  EXPECT_THAT(read_text_or_gz(folder.path()).error().message, HasSubstr("is a directory"));
}

}  // namespace
}  // namespace spate
