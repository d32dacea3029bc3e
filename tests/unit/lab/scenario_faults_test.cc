// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/config_error.h"
#include "spate/lab/scenario.h"

namespace spate::lab {
namespace {

using testing::HasSubstr;

std::string scenario_with(const std::string& faults) {
  return R"(name: small
duration_s: 100
models:
  m:
    model: var/models/m
    dataset: var/datasets/d
    slo: {latency_ms: 200, target: 0.9}
    demand: {profile: {kind: constant, rate_per_s: 20}}
    cpu_request: 0.2
faults: )" +
         faults + "\n";
}

std::string error_of(const std::string& faults) {
  try {
    (void)read_scenario_text(scenario_with(faults), "s.yaml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ScenarioFaults, AreReadWithTheirDefaults) {
  const Scenario s = read_scenario_text(
      scenario_with("[{kind: crash, at_s: 60}, {kind: hang, at_s: 70, model: m, count: 2},"
                    " {kind: slow_machine, at_s: 80, for_s: 5, speed_ratio: 0.5}]"),
      "s.yaml");
  ASSERT_EQ(s.faults.size(), 3U);
  EXPECT_EQ(s.faults[0].kind, sim::ScriptedFault::Kind::Crash);
  EXPECT_EQ(s.faults[0].model, sim::ScriptedFault::kEveryModel);
  EXPECT_EQ(s.faults[0].count, 1);
  EXPECT_EQ(s.faults[1].model, 0U);
  EXPECT_EQ(s.faults[1].count, 2);
  EXPECT_EQ(s.faults[2].speed_ratio, 0.5);
  const auto json = effective_json(s)["faults"];
  EXPECT_EQ(json[1]["model"], "m");
  EXPECT_EQ(json[2],
            (nlohmann::json{
                {"kind", "slow_machine"}, {"at_s", 80.0}, {"for_s", 5.0}, {"speed_ratio", 0.5}}));
}

TEST(ScenarioFaults, AreReadStrictly) {
  EXPECT_THAT(error_of("[{kind: fire, at_s: 1}]"), HasSubstr("faults[0].kind"));
  EXPECT_THAT(error_of("[{kind: crash}]"), HasSubstr("at_s"));
  EXPECT_THAT(error_of("[{kind: crash, at_s: 101}]"), HasSubstr("[0, 100]"));
  EXPECT_THAT(error_of("[{kind: crash, at_s: 1, for_s: 2}]"), HasSubstr("for_s"));
  EXPECT_THAT(error_of("[{kind: crash, at_s: 1, model: x}]"),
              HasSubstr("a model of this scenario or demand"));
  EXPECT_THAT(error_of("[{kind: slow_machine, at_s: 1, for_s: 2}]"), HasSubstr("speed_ratio"));
  EXPECT_THAT(error_of("[{kind: slow_machine, at_s: 1, for_s: 2, speed_ratio: 2}]"),
              HasSubstr("[0.01, 1]"));
  EXPECT_THAT(error_of("[{kind: no_readings, at_s: 1}]"), HasSubstr("for_s"));
}

TEST(ScenarioFaults, ALiveRunRefusesThem) {
  Scenario s = read_scenario_text(scenario_with("[{kind: crash, at_s: 60}]"), "s.yaml");
  try {
    require_live(s);
    FAIL() << "it was taken";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("only `spate simulate` can make them"));
  }
  s.faults.clear();
  require_live(s);
  s.machine.more = {4.0};
  EXPECT_THROW(require_live(s), ConfigError);
}

}  // namespace
}  // namespace spate::lab
