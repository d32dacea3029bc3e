// SPDX-License-Identifier: Apache-2.0
#include "spate/models/table_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace spate::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TableInput : public ::testing::Test {
 protected:
  TableRows decode(std::string_view payload, std::string_view type = "application/json") {
    TableRows rows;
    const auto status = decoder_.decode({type, payload}, rows);
    EXPECT_TRUE(status) << status.error().message;
    return rows;
  }
  std::string refuse(std::string_view payload, std::string_view type = "application/json") {
    TableRows rows;
    rows.values = {9};
    const auto status = decoder_.decode({type, payload}, rows);
    EXPECT_FALSE(status) << payload;
    EXPECT_TRUE(rows.values.empty()) << payload;
    EXPECT_EQ(rows.rows, 0U);
    if (status) return {};
    EXPECT_EQ(status.error().code, ErrorCode::InvalidArgument);
    return status.error().message;
  }
  const TableDecoder decoder_{{"area", "rooms"}};
};

TEST_F(TableInput, ReadsOneRowByPosition) {
  const auto rows = decode(R"({"features":[1.5,-2e3]})");
  EXPECT_FALSE(rows.many);
  EXPECT_EQ(rows.rows, 1U);
  EXPECT_THAT(rows.values, ElementsAre(1.5, -2000.0));
}

TEST_F(TableInput, ReadsOneRowByNameInAnyOrder) {
  const auto rows = decode(R"({"features":{"rooms":3,"area":120}})");
  EXPECT_THAT(rows.values, ElementsAre(120.0, 3.0));
}

TEST_F(TableInput, ReadsManyRowsOfEitherForm) {
  const auto rows = decode(R"({"instances":[[1,2],{"rooms":4,"area":3}],"id":"x"})");
  EXPECT_TRUE(rows.many);
  EXPECT_EQ(rows.rows, 2U);
  EXPECT_THAT(rows.values, ElementsAre(1.0, 2.0, 3.0, 4.0));
  EXPECT_TRUE(decode(R"({"instances":[[1,2]]})").many);
}

TEST_F(TableInput, ReadsFloat32Rows) {
  const float values[] = {1.5F, -2.0F, 3.25F, 0.1F};
  const std::string_view bytes(reinterpret_cast<const char*>(values), sizeof values);
  const auto rows = decode(bytes, "application/x-spate-f32");
  EXPECT_TRUE(rows.many);
  EXPECT_THAT(rows.values, ElementsAre(1.5, -2.0, 3.25, static_cast<double>(0.1F)));
  EXPECT_FALSE(decode(bytes.substr(0, 8), "application/x-spate-f32").many);
}

TEST_F(TableInput, KnowsTheContentTypeByNameOrByLook) {
  EXPECT_EQ(decode("  {\"features\":[1,2]}", "").rows, 1U);
  EXPECT_EQ(decode("{\"features\":[1,2]}", "Application/JSON; charset=utf-8").rows, 1U);
  EXPECT_THAT(refuse("1,2", ""), HasSubstr("no content type"));
  EXPECT_THAT(refuse("\x89PNG\r\n\x1A\n", ""), HasSubstr("a PNG image"));
  EXPECT_THAT(refuse("x", "text/csv"), HasSubstr("content type \"text/csv\""));
}

TEST_F(TableInput, IntegersBeyondADoublesDigitsAreStillNumbers) {
  EXPECT_EQ(decode(R"({"features":[9223372036854775807,18446744073709551615]})").rows, 1U);
}

TEST_F(TableInput, SaysWhatItExpectedAndWhatItGot) {
  EXPECT_EQ(refuse(R"({"features":[1]})"), "expected 2 features (area, rooms), got 1 numbers");
  EXPECT_THAT(refuse(R"({"features":[1,2,3]})"), HasSubstr("got 3 numbers"));
  EXPECT_EQ(refuse(R"({"features":[1,"two"]})"),
            "feature 2 (rooms): expected a number, got text \"two\"");
  EXPECT_EQ(refuse(R"({"instances":[[1,2],[1,null]]})"),
            "instances[1]: feature 2 (rooms): expected a number, got null");
  EXPECT_THAT(refuse(R"({"features":{"area":1,"room":2}})"),
              HasSubstr("unknown feature \"room\" (\"rooms\"?)"));
  EXPECT_THAT(refuse(R"({"features":{"area":1}})"), HasSubstr("missing feature rooms"));
  EXPECT_THAT(refuse(R"({"features":{"area":1,"area":1,"rooms":2}})"), HasSubstr("stands twice"));
  EXPECT_THAT(refuse(R"({"features":[1,2],"instances":[[1,2]]})"), HasSubstr("got several"));
  EXPECT_THAT(refuse(R"({"feature":[1,2]})"), HasSubstr("no \"features\""));
  EXPECT_THAT(refuse(R"([[1,2]])"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(refuse("{\"features\":[1,2"), HasSubstr("malformed JSON"));
  EXPECT_THAT(refuse("{\"features\":[NaN,2]}"), HasSubstr("finite number"));
  EXPECT_THAT(refuse("{\"features\":[1,-Infinity]}"), HasSubstr("finite number"));
  EXPECT_THAT(refuse("{\"features\":[1,1e400]}"), HasSubstr("JSON"));
  EXPECT_THAT(refuse(""), HasSubstr("empty payload: expected 2 features (area, rooms)"));
  EXPECT_THAT(refuse(" "), HasSubstr("malformed JSON"));
}

TEST_F(TableInput, RefusesFloat32ThatIsNoWholeRowOrNotFinite) {
  const float values[] = {1.0F, std::numeric_limits<float>::infinity()};
  const std::string_view bytes(reinterpret_cast<const char*>(values), sizeof values);
  EXPECT_THAT(refuse(bytes, "application/x-spate-f32"), HasSubstr("row 0, feature 2 (rooms)"));
  EXPECT_THAT(refuse(bytes.substr(0, 5), "application/x-spate-f32"), HasSubstr("multiple of 8"));
}

TEST_F(TableInput, ManyRowsHaveALimit) {
  std::string payload = "{\"instances\":[[1,2]";
  for (std::size_t i = 1; i < TableDecoder::kMaxRows; ++i) payload += ",[1,2]";
  EXPECT_EQ(decode(payload + "]}").rows, TableDecoder::kMaxRows);
  EXPECT_THAT(refuse(payload + ",[1,2]]}"), HasSubstr("more than 65536 rows"));
}

TEST_F(TableInput, LongNamesAndTextsAreCutInMessages) {
  const std::string text(10'000, 'x');
  EXPECT_LT(refuse(R"({"features":[1,")" + text + "\"]}").size(), 200U);
  EXPECT_LT(refuse("{\"features\":{\"" + text + "\":1}}").size(), 300U);
}

TEST(FeaturesPayload, ReadsBackTheSameNumbers) {
  const std::vector<double> row{0.1, -1.0 / 3.0, 1e300, 42.0};
  EXPECT_EQ(features_payload({0.5, 2}), "{\"features\":[0.5,2]}");
  TableRows rows;
  const std::string payload = features_payload(row);
  ASSERT_TRUE(TableDecoder({"a", "b", "c", "d"}).decode({"application/json", payload}, rows));
  EXPECT_EQ(rows.values, row);
}

}  // namespace
}  // namespace spate::models
