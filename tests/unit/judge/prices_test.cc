// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/prices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "testing/test_folder.h"

namespace spate::judge {
namespace {

using testing::HasSubstr;

std::string error_of(const std::string& text) {
  const test::TestFolder folder;
  try {
    (void)read_price_file(folder.write("prices.yaml", text));
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Prices, AFileHasThemAll) {
  const test::TestFolder folder;
  const Prices p = read_price_file(
      folder.write("prices.yaml",
                   "cpu_per_hour: 0.05  # on demand\nmemory_gib_per_hour: 0.006\ncurrency: EUR\n"));
  EXPECT_DOUBLE_EQ(p.cpu_per_hour, 0.05);
  EXPECT_DOUBLE_EQ(p.memory_gib_per_hour, 0.006);
  EXPECT_EQ(p.currency, "EUR");
  const auto again = read_prices(ConfigReader::from_text(to_json(p).dump(), "json"));
  EXPECT_DOUBLE_EQ(again.cpu_per_hour, p.cpu_per_hour);
  EXPECT_DOUBLE_EQ(again.memory_gib_per_hour, p.memory_gib_per_hour);
  EXPECT_EQ(again.currency, p.currency);
}

TEST(Prices, WhatIsLeftOutHasItsDefaultInAScenarioOnly) {
  const Prices p = read_prices(ConfigReader::from_text("{cpu_per_hour: 1}", "scenario"));
  EXPECT_DOUBLE_EQ(p.memory_gib_per_hour, 0.0045);
  EXPECT_EQ(p.currency, "USD");
  EXPECT_THAT(error_of("cpu_per_hour: 1\n"), HasSubstr("memory_gib_per_hour"));
  EXPECT_THAT(error_of("memory_gib_per_hour: 1\n"), HasSubstr("cpu_per_hour"));
}

TEST(Prices, BadFilesAreToldApart) {
  EXPECT_THAT(error_of("cpu_per_hour: -0.1\nmemory_gib_per_hour: 0\n"),
              HasSubstr("prices.yaml:1: cpu_per_hour: expected a number"));
  EXPECT_THAT(error_of("cpu_per_hour: 4 cents\nmemory_gib_per_hour: 0\n"), HasSubstr("4 cents"));
  EXPECT_THAT(error_of("cpu_per_hour: .nan\nmemory_gib_per_hour: 0\n"),
              HasSubstr("cpu_per_hour: expected a number"));
  EXPECT_THAT(error_of("cpu_per_houre: 1\nmemory_gib_per_hour: 0\n"), HasSubstr("cpu_per_hour"));
  EXPECT_THAT(error_of("cpu_per_hour: 0\nmemory_gib_per_hour: 0\n"),
              HasSubstr("both prices are 0"));
  EXPECT_THAT(error_of("cpu_per_hour: 1\nmemory_gib_per_hour: 0\ncurrency: \"US $\"\n"),
              HasSubstr("without spaces"));
  EXPECT_THAT(error_of("currency: EUR\n"), HasSubstr("prices in USD"));
  EXPECT_THAT(error_of("- 1\n- 2\n"), HasSubstr("prices.yaml"));
  EXPECT_THAT(error_of("a: [1\n"), HasSubstr("prices.yaml"));
  EXPECT_THROW(read_price_file("/nonexistent/prices.yaml"), ConfigError);
}

}  // namespace
}  // namespace spate::judge
