// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/single_topic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/base64.h"

namespace spate::gateway {
namespace {

using ::testing::HasSubstr;

SingleTopicInput good(const std::string& json) {
  auto input = read_single_topic(json);
  EXPECT_TRUE(input) << input.error().message;
  return input ? input.value() : SingleTopicInput{};
}

std::string complaint(const std::string& json) {
  const auto input = read_single_topic(json);
  return input ? "accepted" : input.error().message;
}

TEST(SingleTopic, RowsInEveryForm) {
  EXPECT_EQ(good(R"({"type":"numeric","data":[1, 2.5, null]})").payload,
            R"({"features":[1,2.5,null]})");
  EXPECT_EQ(good(R"({"type":"numeric","features":{"a b":1}})").payload,
            R"({"features":{"a b":1}})");
  EXPECT_EQ(good(R"({"type":"classification","data":[[1],[2]]})").payload,
            R"({"instances":[[1],[2]]})");
  EXPECT_EQ(good(R"({"type":"classification","instances":[{"a":1}]})").payload,
            R"({"instances":[{"a":1}]})");
  EXPECT_EQ(good(R"({"type":"classification","data":[1]})").type, InputType::Classification);
  EXPECT_EQ(good(R"({"type":"numeric","data":[1]})").content_type, "application/json");
}

TEST(SingleTopic, ImagesByTheirFirstBytes) {
  const std::string png = "\x89PNG\r\n\x1a\n...";
  const auto input = good(R"({"type":"image","image":")" + base64_encode(png) + R"("})");
  EXPECT_EQ(input.payload, png);
  EXPECT_EQ(input.content_type, "image/png");
  const std::string jpeg = "\xff\xd8\xff\xe0xyz";
  std::string wrapped = base64_encode(jpeg);
  wrapped.insert(4, "\\n");
  EXPECT_EQ(good(R"({"type":"image","data":"data:image/jpeg;base64,)" + wrapped + R"("})").payload,
            jpeg);
}

TEST(SingleTopic, TheIdIsTextOrANumber) {
  EXPECT_EQ(good(R"({"type":"numeric","data":[1],"id":"x"})").id, "x");
  EXPECT_EQ(good(R"({"type":"numeric","data":[1],"id":17})").id, "17");
  EXPECT_EQ(good(R"({"type":"numeric","data":[1],"id":[1]})").id, "");
}

TEST(SingleTopic, SaysWhatIsWrong) {
  EXPECT_THAT(complaint(""), HasSubstr("not JSON"));
  EXPECT_THAT(complaint("{\"type\":\"numeric\""), HasSubstr("not JSON"));
  EXPECT_THAT(complaint("[1]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(complaint(R"({"data":[1]})"), HasSubstr("\"type\""));
  EXPECT_THAT(complaint(R"({"type":"sound","data":[1]})"), HasSubstr("unknown \"type\""));
  EXPECT_THAT(complaint(R"({"type":"numeric"})"), HasSubstr("\"data\""));
  EXPECT_THAT(complaint(R"({"type":"numeric","data":3})"), HasSubstr("\"data\""));
  EXPECT_THAT(complaint(R"({"type":"image","data":[1]})"), HasSubstr("base64"));
  EXPECT_THAT(complaint(R"({"type":"image","data":"%%%"})"), HasSubstr("base64"));
  EXPECT_THAT(complaint(R"({"type":"image","data":"R0lGODlh"})"),
              HasSubstr("neither JPEG nor PNG"));
  EXPECT_THAT(complaint(R"({"type":"image","data":"data:image/png"})"), HasSubstr("comma"));
}

}  // namespace
}  // namespace spate::gateway
