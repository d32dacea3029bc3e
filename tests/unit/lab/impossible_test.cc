// SPDX-License-Identifier: Apache-2.0
//
// A scenario that cannot meet its objective whatever is done is told at once, with the arithmetic.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/config_error.h"
#include "spate/lab/simulate.h"

namespace spate::lab {
namespace {

using testing::HasSubstr;

const std::filesystem::path kRoot = SPATE_SOURCE_DIR;

std::string error_of(double slo_latency_ms, double most_cpu) {
  Scenario scenario = read_scenario(kRoot / "scenarios/demo.yaml");
  for (auto& m : scenario.models) {
    if (m.name != "resnet50") continue;
    m.slo_latency_ms = slo_latency_ms;
    m.max_cpu = most_cpu;
  }
  const auto profile = sim::read_machine_profile(kRoot / "profiles/default.json");
  try {
    (void)plan_simulation(std::move(scenario), profile);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Impossible, AnObjectiveBelowTheServiceTimeIsToldWithTheArithmetic) {
  const std::string error = error_of(2.0, 1.0);
  EXPECT_THAT(error, HasSubstr("models.resnet50: no request can be answered within"));
  EXPECT_THAT(error, HasSubstr("slo.latency_ms 2"));
  EXPECT_THAT(error, HasSubstr("CPU time of the fastest call"));
  EXPECT_THAT(error, HasSubstr("transport"));
  EXPECT_THAT(error, HasSubstr("together"));
  EXPECT_THAT(error, HasSubstr("Raise the objective or max_cpu"));
}

TEST(Impossible, WhatTheDemoAsksForIsPossible) { EXPECT_EQ(error_of(2000.0, 0.9), "no error"); }

}  // namespace
}  // namespace spate::lab
