// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/strategies.h"

#include <gtest/gtest.h>

#include "spate/base/config_error.h"

namespace spate::scaling {
namespace {

std::string complaint(const std::string& name, const std::string& options) {
  try {
    builtin_strategies().make(name, ConfigReader::from_text(options, "s.yaml"), "s.yaml: strategy");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Strategies, AnUnknownNameNamesTheNearest) {
  const std::string text = complaint("horizontl", "{}");
  EXPECT_NE(text.find("s.yaml: strategy: unknown strategy \"horizontl\"; did you mean "
                      "\"horizontal\"?"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("none, horizontal, vertical, scripted"), std::string::npos) << text;
}

TEST(Strategies, AnUnknownOptionNamesTheNearest) {
  const std::string text = complaint("horizontal", "{high_ration: 0.9}");
  EXPECT_NE(text.find("no option \"high_ration\"; did you mean \"high_ratio\"?"), std::string::npos)
      << text;
  EXPECT_NE(complaint("none", "{x: 1}").find("it has none"), std::string::npos);
}

TEST(Strategies, OptionsAreCheckedForRangeKindAndSense) {
  EXPECT_NE(complaint("horizontal", "{high_ratio: -1}").find("[0.01, 10]"), std::string::npos);
  EXPECT_NE(complaint("horizontal", "{step_replicas: 1.5}").find("step_replicas"),
            std::string::npos);
  EXPECT_NE(complaint("horizontal", "{step_cpus: 0.1}").find("no option"), std::string::npos);
  EXPECT_NE(complaint("vertical", "{low_ratio: 0.9}").find("low_ratio must be below high_ratio"),
            std::string::npos);
  EXPECT_EQ(complaint("vertical", "{low_ratio: 0.2, high_ratio: 0.9, step_cpus: 0.1}"), "");
}

TEST(Strategies, DefaultsAreTheOriginalExperiments) {
  const StrategyRegistry registry = builtin_strategies();
  const StrategyOptions options =
      StrategyRegistry::read_options(registry.find("horizontal", "test"), std::nullopt);
  EXPECT_EQ(options.number("high_ratio"), 0.80);
  EXPECT_EQ(options.number("low_ratio"), 0.35);
  EXPECT_EQ(options.seconds("window_s"), std::chrono::seconds(5));
  EXPECT_EQ(options.integer("step_replicas"), 1);
  EXPECT_NE(options.to_json_text().find("\"high_ratio\":0.8"), std::string::npos);
  for (const auto& info : registry.list()) {
    EXPECT_FALSE(info.summary.empty());
    EXPECT_FALSE(info.source.empty());
  }
}

TEST(Scripted, FollowsItsListFromTheFirstDecision) {
  const auto strategy = builtin_strategies().make(
      "scripted",
      ConfigReader::from_text(
          R"({steps: '[{"at_s": 2, "replicas": 3}, {"at_s": 4, "cpu_limit": 0.6, "model": "b"}]'})",
          "test"));
  ModelView a;
  a.model = "a";
  a.wanted_replicas = 1;
  ModelView b = a;
  b.model = "b";
  TimePoint now{std::chrono::hours(1)};
  for (int second = 0; second <= 5; ++second, now += std::chrono::seconds(1)) {
    const auto targets = strategy->decide({.now = now, .models = {a, b}});
    ASSERT_EQ(targets.size(), 2U);
    EXPECT_EQ(targets[0].replicas, second < 2 ? 1 : 3) << second;
    EXPECT_FALSE(targets[0].cpu_limit.has_value());
    EXPECT_EQ(targets[1].cpu_limit.value_or(0.0), second < 4 ? 0.0 : 0.6) << second;
  }
}

TEST(Scripted, SaysWhatIsWrongWithItsList) {
  EXPECT_NE(complaint("scripted", R"({steps: '[{"replicas": 3}]'})").find("at_s is missing"),
            std::string::npos);
  EXPECT_NE(complaint("scripted", R"({steps: '[{"at_s": 1, "replica": 3}]'})").find("steps[0]"),
            std::string::npos);
  EXPECT_NE(complaint("scripted", R"({steps: '[{"at_s": 2}, {"at_s": 1}]'})").find("steps[1]"),
            std::string::npos);
  EXPECT_NE(complaint("scripted", R"({steps: 'oops'})").find("steps"), std::string::npos);
}

}  // namespace
}  // namespace spate::scaling
