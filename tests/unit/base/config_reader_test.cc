// SPDX-License-Identifier: Apache-2.0
#include "spate/base/config_reader.h"

#include <fmt/format.h>
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

TEST(ConfigReader, YamlThatNoSettingsAreMadeOfIsRefused) {
  const auto refusal = [](const std::string& text) {
    return message_of([&] { (void)ConfigReader::from_text(text, "y.yaml"); });
  };
  EXPECT_EQ(refusal("a: 1\n? [b]\n: 2\n"), "y.yaml:2: expected a plain text as the key");
  EXPECT_EQ(refusal("a: 1\nb: '\xff'\n"), "y.yaml:2: this text is not UTF-8");
  EXPECT_THAT(refusal("a: &x [1, *x]\n"), HasSubstr("an alias that stands in itself"));
  EXPECT_THAT(refusal(std::string(200, '[') + std::string(200, ']')), HasSubstr("100 levels"));
  std::string bomb = "- &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 7; ++i) {
    bomb += fmt::format("- &l{} [", i);
    for (int k = 0; k < 10; ++k) bomb += fmt::format("{}*l{}", k == 0 ? "" : ", ", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(refusal(bomb), HasSubstr("unfold to more than 1000000 entries"));
  EXPECT_EQ(ConfigReader::from_text("a: &x [1]\nb: *x\n", "y.yaml").at("b").list().size(), 1U);
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
