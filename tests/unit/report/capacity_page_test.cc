// SPDX-License-Identifier: Apache-2.0
//
// SPATE_KEEP_REPORT=DIR unit_report --gtest_filter=CapacityPage.IsOneFile* leaves the page in DIR.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "spate/lab/capacity_curve.h"
#include "spate/report/report.h"

namespace spate::report {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

constexpr auto kAbove = lab::ShareVerdict::Above;
constexpr auto kBelow = lab::ShareVerdict::Below;

lab::LiveCapacity bracket(std::optional<double> low, std::optional<double> high) {
  lab::LiveCapacity out{low, high, {}};
  if (low) out.rates.push_back({*low, kAbove, 0.99, 0.97, 1.0, 900.0, 30.0, 1.4, {}});
  if (high) {
    out.rates.push_back({*high, kBelow, 0.7, 0.6, 0.8, 1035.0, 10.0, 2.0, {"disturbed: <x>"}});
  }
  return out;
}

// As `spate capacity` would have it, out of order where it may be.
Json curve() {
  const auto scenario = lab::read_scenario_text(R"(
name: shop
duration_s: 10
models:
  image:
    model: models/image
    dataset: data/image
    slo: {latency_ms: 1000, target: 0.95}
    demand: {profile: {kind: constant, rate_per_s: 1}}
    cpu_request: 1
)",
                                                "test.yaml");
  sim::MachineProfile profile;
  profile.file = "profiles/test.json";
  profile.machine_json = R"({"cpu_model": "Test processor", "cores": 2})";
  profile.cores = 2;
  const lab::SimulatedCapacity none{0.0, 0.0, 0.0, true, "a call takes 700 ms"};
  const std::vector<lab::CurveEntry> entries = {
      {{"image", 0.1, 1, 1}, none, std::nullopt},
      {{"image", 0.5, 1, 4}, {20.5, 20.1, 21.0, true, ""}, bracket(21.0, 24.0)},
      {{"image", 0.5, 1, 1}, {5.0, 4.9, 5.2, true, ""}, bracket(4.8, 5.5)},
      {{"image", 0.5, 1, 8}, {41.0, 40.0, 42.0, false, ""}, std::nullopt},
      {{"image", 1.0, 4, 1}, {12.0, 11.5, 12.6, true, ""}, bracket(std::nullopt, 10.0)},
      {{"image", 1.0, 4, 2}, {24.0, 23.0, 25.0, true, ""}, bracket(22.0, std::nullopt)}};
  lab::LiveCurveOptions options;
  options.spate_version = "0.1.0";
  return Json(lab::curve_json(scenario, entries, profile, options));
}

TEST(CapacityPage, LinesHaveEqualCpuAndBatchAndRiseWithTheReplicas) {
  const Json data = capacity_data(curve());
  EXPECT_EQ(data["configurations"], 6);
  EXPECT_EQ(data["live_configurations"], 4);
  EXPECT_EQ(data["cores"], 2);
  EXPECT_EQ(data["profile_machine"]["cpu_model"], "Test processor");
  ASSERT_EQ(data["models"].size(), 1U);
  const Json& model = data["models"][0];
  EXPECT_EQ(model["slo_latency_ms"], 1000.0);
  ASSERT_EQ(model["lines"].size(), 2U);
  const Json& points = model["lines"][0]["points"];
  EXPECT_EQ(model["lines"][0]["cpus"], 0.5);
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0]["replicas"], 1);
  EXPECT_EQ(points[1]["replicas"], 4);
  EXPECT_EQ(points[2]["fits_machine"], false);
  EXPECT_EQ(model["lines"][1]["batch"], 4);
}

TEST(CapacityPage, TheImpossibleIsListedWithItsReasonAndIsNoPoint) {
  const Json data = capacity_data(curve());
  const Json& impossible = data["models"][0]["impossible"];
  ASSERT_EQ(impossible.size(), 1U);
  EXPECT_EQ(impossible[0]["cpus"], 0.1);
  EXPECT_EQ(impossible[0]["why"], "a call takes 700 ms");
}

TEST(CapacityPage, SaysHowFarTheSimulatedFigureLiesFromTheBracket) {
  const Json data = capacity_data(curve());
  const Json& half = data["models"][0]["lines"][0]["points"];
  EXPECT_EQ(half[0]["off_bracket_ratio"], 0.0);
  EXPECT_NEAR(half[1]["off_bracket_ratio"].get<double>(), 20.5 / 21.0 - 1.0, 1e-12);
  EXPECT_FALSE(half[2].contains("off_bracket_ratio")) << "not measured";
  const Json& whole = data["models"][0]["lines"][1]["points"];
  EXPECT_NEAR(whole[0]["off_bracket_ratio"].get<double>(), 0.2, 1e-12) << "above what failed";
  EXPECT_TRUE(whole[1]["off_bracket_ratio"].is_null()) << "above what passed: nothing failed yet";
}

TEST(CapacityPage, ACurveWithoutPointsIsNoError) {
  EXPECT_TRUE(capacity_data({{"points", Json::array()}})["models"].empty());
}

TEST(CapacityPage, IsOneFileWithEverythingInIt) {
  const std::string page = render_capacity(capacity_data(curve())).value();
  EXPECT_THAT(page.substr(0, 600), HasSubstr("<title>Spate: capacity of shop</title>"));
  EXPECT_THAT(page, HasSubstr("disturbed: \\u003cx>")) << "nothing in it can end the script";
  EXPECT_GT(page.size(), 1'000'000U) << "the chart library is in it";
  for (const char* mark : {"@DATA@", "@STYLE@", "@COMMON@", "@CHARTS@", "src=\"http"}) {
    EXPECT_THAT(page, Not(HasSubstr(mark)));
  }
  if (const char* keep = std::getenv("SPATE_KEEP_REPORT")) {
    ASSERT_TRUE(write_file(std::filesystem::path(keep) / "capacity.html", page));
  }
}

}  // namespace
}  // namespace spate::report
