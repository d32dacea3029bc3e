// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/models/onnx_image/build/import.h"
#include "testing/test_folder.h"

namespace spate::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Labels : public ::testing::Test {
 protected:
  Result<std::vector<std::string>> read(const std::string& name, const std::string& text) {
    return read_labels(dir_.write(name, text));
  }
  test::TestFolder dir_;
};

TEST_F(Labels, OneALine) {
  const auto labels = read("l.txt", "tench, Tinca tinca\n  goldfish \r\nshark\n\n\n");
  ASSERT_TRUE(labels) << labels.error().message;
  EXPECT_THAT(*labels, ElementsAre("tench, Tinca tinca", "goldfish", "shark"));
}

TEST_F(Labels, NoNewlineAtTheEnd) { EXPECT_THAT(*read("l.txt", "a\nb"), ElementsAre("a", "b")); }

TEST_F(Labels, JsonListOrObject) {
  EXPECT_THAT(*read("l.json", R"(["a","b"])"), ElementsAre("a", "b"));
  EXPECT_THAT(*read("l.json", R"({"1":"b","0":"a"})"), ElementsAre("a", "b"));
}

TEST_F(Labels, WhatIsWrongIsSaid) {
  EXPECT_THAT(read("l.txt", "a\n\nb\n").error().message, HasSubstr("label 1"));
  EXPECT_THAT(read("l.txt", "\n\n").error().message, HasSubstr("no label"));
  EXPECT_THAT(read("l.json", R"({"0":"a","2":"b"})").error().message, HasSubstr("label 1"));
  EXPECT_THAT(read("l.json", R"(["a",1])").error().message, HasSubstr("label 1"));
  EXPECT_THAT(read("l.json", "[\"a\"").error().message, HasSubstr("JSON"));
  EXPECT_EQ(read_labels(dir_ / "none.txt").error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace spate::models
