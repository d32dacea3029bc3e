// SPDX-License-Identifier: Apache-2.0
#include "spate/base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/test_folder.h"

namespace spate {
namespace {

TEST(Files, WritesWholeAndReadsBack) {
  const test::TestFolder folder;
  const auto path = folder / "deep" / "file.txt";
  ASSERT_TRUE(write_file(path, "first"));
  ASSERT_TRUE(write_file(path, std::string("sec\0nd", 6)));
  EXPECT_EQ(read_file(path).value(), std::string("sec\0nd", 6));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "deep"), {}), 1);
}

TEST(Files, MissingFileNamesThePathAndTheReason) {
  const auto missing = read_file("/no/such/file");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::NotFound);
  EXPECT_THAT(missing.error().message, ::testing::HasSubstr("/no/such/file"));
  EXPECT_FALSE(read_file("/tmp"));
}

}  // namespace
}  // namespace spate
