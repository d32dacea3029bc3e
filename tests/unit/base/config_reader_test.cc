// SPDX-License-Identifier: Apache-2.0
#include "spate/base/config_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/config_error.h"

namespace spate {
namespace {

using ::testing::HasSubstr;

template <class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "(no ConfigError)";
}

const char* const kText =
    "models:\n"
    "  resnet50:\n"
    "    target: 95%\n"
    "    replicas: 3\n"
    "    names: [a, 'b']\n";

TEST(ConfigReader, ReadsWhatStandsThere) {
  const auto top = ConfigReader::from_text(kText, "s.yaml");
  const auto model = top.at("models").at("resnet50");
  EXPECT_EQ(model.at("replicas").integer(1, 3), 3);
  EXPECT_EQ(model.at("names").list().at(1).text(), "b");
  EXPECT_EQ(model.number_or("absent", 0.5, 0, 1), 0.5);
}

TEST(ConfigReader, NamesFileLinePathExpectedAndFound) {
  const auto model = ConfigReader::from_text(kText, "s.yaml").at("models").at("resnet50");
  EXPECT_EQ(message_of([&] { (void)model.at("target").number(0, 1); }),
            "s.yaml:3: models.resnet50.target: expected a number in [0, 1], got \"95%\"");
  EXPECT_EQ(message_of([&] { (void)model.at("replicas").integer(1, 2); }),
            "s.yaml:4: models.resnet50.replicas: expected a whole number in [1, 2], got \"3\"");
}

TEST(ConfigReader, UnknownKeyNamesTheNearestKnownOne) {
  const auto model = ConfigReader::from_text(kText, "s.yaml").at("models").at("resnet50");
  const auto text = message_of([&] { model.allow_only({"targets", "replica", "names"}); });
  EXPECT_THAT(
      text, HasSubstr("s.yaml:3: models.resnet50.target: unknown key; did you mean \"targets\"?"));
}

TEST(ConfigReader, RepeatedKeyAndBrokenYamlAreErrors) {
  const auto twice = ConfigReader::from_text("a: 1\na: 2\n", "t.yaml");
  EXPECT_THAT(message_of([&] { twice.allow_only({"a"}); }),
              HasSubstr("t.yaml:2: a: this key stands twice"));
  EXPECT_THAT(message_of([] { (void)ConfigReader::from_text("a: [1\nb: 2\n", "b.yaml"); }),
              HasSubstr("b.yaml:"));
}

TEST(ConfigReader, NotANumberAndInfinityAreNotNumbers) {
  const auto top = ConfigReader::from_text("x: .nan\ny: inf\nz: 1e999\nw: 3 apples\n", "n.yaml");
  for (const char* key : {"x", "y", "z", "w"}) {
    EXPECT_THAT(message_of([&] { (void)top.at(key).number(); }), HasSubstr("expected a number"))
        << key;
  }
}

TEST(ConfigReader, ReadsJsonToo) {
  const auto top = ConfigReader::from_text(R"({"a": {"b": [1, 2.5, "3", true]}})", "c.json");
  EXPECT_EQ(top.at("a").to_json_text(), R"({"b":[1,2.5,"3",true]})");
}

}  // namespace
}  // namespace spate
