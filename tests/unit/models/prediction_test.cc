// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "spate/models/model.h"

namespace spate::models {
namespace {

RowPrediction number(double value) {
  RowPrediction row;
  row.value = value;
  return row;
}

RowPrediction classes(std::vector<ClassScore> top) {
  RowPrediction row;
  row.top = std::move(top);
  return row;
}

TEST(PredictionJson, NumbersAreShortestAndReadBackTheSame) {
  EXPECT_EQ(to_json_fragment({false, {number(1.5)}}), "\"prediction\":1.5");
  EXPECT_EQ(to_json_fragment({false, {number(0.1)}}), "\"prediction\":0.1");
  for (const double value : {1.0 / 3.0, -2.5e-17, 1e22, 123456789.123456789, 5e-324}) {
    const auto json = nlohmann::json::parse("{" + to_json_fragment({false, {number(value)}}) + "}");
    EXPECT_EQ(json["prediction"].get<double>(), value);
  }
}

TEST(PredictionJson, ManyRowsAreAList) {
  EXPECT_EQ(to_json_fragment({true, {number(1)}}), "\"predictions\":[{\"prediction\":1}]");
  EXPECT_EQ(to_json_fragment({true, {number(1), number(2)}}),
            "\"predictions\":[{\"prediction\":1},{\"prediction\":2}]");
  EXPECT_EQ(to_json_fragment({true, {}}), "\"predictions\":[]");
}

TEST(PredictionJson, ClassesComeWithConfidenceAndTop) {
  EXPECT_EQ(to_json_fragment({false, {classes({{1, "sun", 0.75}, {0, "rain", 0.25}})}}),
            "\"class\":\"sun\",\"confidence\":0.75,\"top\":[{\"class\":\"sun\",\"probability\":"
            "0.75},{\"class\":\"rain\",\"probability\":0.25}]");
  // As float32 runtimes give it: no digits that mean nothing.
  EXPECT_NE(to_json_fragment({false, {classes({{0, "a", static_cast<double>(0.9F)}})}})
                .find("\"confidence\":0.9,"),
            std::string::npos);
}

TEST(PredictionJson, AnyLabelGivesValidJson) {
  const std::string label = "a\"b\\c\n\x01\u00e9";
  const auto json =
      nlohmann::json::parse("{" + to_json_fragment({false, {classes({{0, label, 1.0}})}}) + "}");
  EXPECT_EQ(json["class"].get<std::string>(), label);
}

TEST(PredictionJson, WhatIsNoNumberIsNull) {
  EXPECT_EQ(to_json_fragment({false, {number(std::nan(""))}}), "\"prediction\":null");
  EXPECT_EQ(to_json_fragment({false, {number(std::numeric_limits<double>::infinity())}}),
            "\"prediction\":null");
}

}  // namespace
}  // namespace spate::models
