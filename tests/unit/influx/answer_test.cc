// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/influx/request_ids.h"

namespace spate::influx {
namespace {

using ::testing::HasSubstr;
using Kind = Answer::Kind;

TEST(AnswerParser, ReadsEveryKindOfResult) {
  AnswerParser parser;
  Answer a = parser.parse(R"({"id":"r-1","model":"linear","prediction":12,"queue_ms":0.1})");
  EXPECT_EQ(a.kind, Kind::Value);
  EXPECT_EQ(a.value, 12.0);
  EXPECT_EQ(a.id, "r-1");
  a = parser.parse(R"({"class":"pits","confidence":0.9,"top":[{"class":"sun","probability":1}]})");
  EXPECT_EQ(a.kind, Kind::Class);
  EXPECT_EQ(a.text, "pits");
  EXPECT_EQ(a.id, "");
  EXPECT_EQ(parser.parse(R"({"error":"expired","message":"late"})").kind, Kind::Expired);
  for (const auto reason : {Rejection::BadInput, Rejection::UnknownModel, Rejection::Overloaded,
                            Rejection::ModelFailed, Rejection::ShuttingDown}) {
    a = parser.parse("{\"error\":\"" + std::string(to_string(reason)) + "\"}");
    EXPECT_EQ(a.kind, Kind::Rejected);
    EXPECT_EQ(a.rejection, reason);
  }
  // The broker's refusals do not come as results, so that word is as unknown as any other.
  EXPECT_EQ(parser.parse(R"({"error":"refused_by_broker"})").rejection, Rejection::Other);
  EXPECT_EQ(parser.parse(R"({"error":"on fire"})").rejection, Rejection::Other);
}

TEST(AnswerParser, CallsTheRestMalformedAndSaysWhy) {
  AnswerParser parser;
  const auto why = [&](std::string_view payload) {
    const Answer a = parser.parse(payload);
    EXPECT_EQ(a.kind, Kind::Malformed) << payload;
    return std::string(a.text);
  };
  EXPECT_EQ(why(""), "not valid JSON");
  EXPECT_EQ(why("{\"prediction\":1"), "not valid JSON");
  EXPECT_EQ(why("{\"prediction\":NaN}"), "not valid JSON");
  EXPECT_EQ(why("[1]"), "not a JSON object");
  EXPECT_THAT(why("{}"), HasSubstr("none of"));
  EXPECT_THAT(why(R"({"prediction":"1"})"), HasSubstr("not a number"));
  EXPECT_THAT(why(R"({"class":3})"), HasSubstr("not a text"));
  EXPECT_THAT(why(R"({"error":null})"), HasSubstr("not a text"));
  EXPECT_THAT(why(R"({"id":7,"prediction":1})"), HasSubstr("\"id\" is not a text"));
  EXPECT_THAT(why(R"({"predictions":[{"prediction":1}]})"), HasSubstr("none of"));
  EXPECT_EQ(why("{\"class\":\"\xff\"}"), "not valid JSON");
}

TEST(SameValue, IsAbsoluteBelowOneAndRelativeAbove) {
  EXPECT_TRUE(same_value(0.0009, 0.0));
  EXPECT_FALSE(same_value(0.0011, 0.0));
  EXPECT_TRUE(same_value(1000.9, 1000.0));
  EXPECT_FALSE(same_value(1001.1, 1000.0));
  EXPECT_TRUE(same_value(-1000.9, -1000.0));
  EXPECT_FALSE(same_value(1.0, -1.0));
}

class ExpectedFile : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(file_); }
  std::vector<Expected> read(const std::string& text, std::size_t samples) {
    EXPECT_TRUE(write_file(file_, text).has_value());
    return read_expected(file_, samples);
  }
  std::string complaint(const std::string& text, std::size_t samples) {
    try {
      (void)read(text, samples);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no complaint";
  }
  std::filesystem::path file_ =
      std::filesystem::temp_directory_path() / ("spate-expected-" + std::to_string(::getpid()));
};

TEST_F(ExpectedFile, ReadsClassesValuesAndLabels) {
  const auto all = read(
      "{\"i\":1,\"class\":\"5\",\"label\":5}\r\n{\"i\":0,\"class\":\"pits\",\"label\":\"scale\"}"
      "\n\n"
      "{\"i\":2,\"prediction\":1.5,\"label\":2}\n{\"i\":3,\"prediction\":4}\n",
      4);
  EXPECT_EQ(all[0].predicted_class, "pits");
  EXPECT_EQ(all[0].label_class, "scale");
  EXPECT_EQ(all[1].label_class, "5") << "a class may look like a number";
  EXPECT_EQ(all[2].predicted_value, 1.5);
  EXPECT_EQ(all[2].label_value, 2.0);
  EXPECT_EQ(all[3].label_value, std::nullopt);
}

TEST_F(ExpectedFile, ComplaintsNameTheLine) {
  EXPECT_THAT(complaint("{\"i\":0,\"class\":\"a\"}\n", 2), HasSubstr("sample 1 of 2 is not there"));
  EXPECT_THAT(complaint("{\"i\":0,\"class\":\"a\"}\n{\"i\":0,\"class\":\"a\"}\n", 2),
              HasSubstr(":2: sample 0 stands twice"));
  EXPECT_THAT(complaint("{\"i\":2,\"class\":\"a\"}\n", 2), HasSubstr("has 2 samples, no sample 2"));
  EXPECT_THAT(complaint("{\"i\":0}\n", 1), HasSubstr(":1: not an expected answer"));
  EXPECT_THAT(complaint("nonsense\n", 1), HasSubstr(":1: not an expected answer"));
  try {
    (void)read_expected("/nonexistent/e.jsonl", 1);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("spate model predict"));
  }
}

TEST(RequestIds, RoundTripAndRefuseStrangers) {
  const RequestIds ids({0x1234, 0x5678});
  const RequestIds other({0x1234, 0x5679});
  for (const std::uint64_t n : {0ULL, 1ULL, 77ULL, ~0ULL}) {
    const std::string c = ids.correlation(n);
    EXPECT_EQ(c.size(), RequestIds::kBytes);
    EXPECT_EQ(ids.request(c), n);
    EXPECT_EQ(other.request(c), std::nullopt);
    std::string flipped = c;
    flipped[3] = static_cast<char>(flipped[3] ^ 1);
    EXPECT_EQ(ids.request(flipped), std::nullopt);
    EXPECT_EQ(ids.request(c.substr(1)), std::nullopt);
  }
  EXPECT_EQ(ids.request(""), std::nullopt);
  EXPECT_THAT(ids.text(17), HasSubstr("-17"));
  const auto key = RequestIds::random_key();
  const auto again = RequestIds::random_key();
  EXPECT_NE(key.a, again.a);
  EXPECT_NE(key.b, again.b);
}

}  // namespace
}  // namespace spate::influx
