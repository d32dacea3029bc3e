// SPDX-License-Identifier: Apache-2.0
//
// SPATE_KEEP_REPORT=DIR unit_report --gtest_filter=Report.IsOneFile* leaves the page in DIR, to be
// looked at.
#include "spate/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "testing/run_fixture.h"

namespace spate::report {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

class Report : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* keep = std::getenv("SPATE_KEEP_REPORT")) {
      folder_ = keep;
    } else {
      folder_ = std::filesystem::path(testing::TempDir()) /
                (std::string("spate-report-") +
                 testing::UnitTest::GetInstance()->current_test_info()->name());
    }
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override {
    if (std::getenv("SPATE_KEEP_REPORT") == nullptr) std::filesystem::remove_all(folder_);
  }

  lab::Summary summary(const test::SyntheticExperiment& what = {}) {
    test::write_experiment(folder_, what);
    auto out = lab::summarise(folder_);
    EXPECT_TRUE(out.has_value());
    return std::move(out).value();
  }
  static Json data_of(const std::string& page) {
    const std::string open = R"(<script id="data" type="application/json">)";
    const auto begin = page.find(open) + open.size();
    return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  }

  std::filesystem::path folder_;
};

TEST_F(Report, IsOneFileWithEverythingInIt) {
  const auto s = summary({.repetitions = 3, .invalid = {"none-2"}, .disturbed = {"vertical-3"}});
  const auto file = write_report(s);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  ASSERT_TRUE(lab::write_summary(s));
  const std::string page = read_file(*file).value();
  EXPECT_THAT(page.substr(0, 600), HasSubstr("<title>Spate: synthetic</title>"));
  EXPECT_THAT(page, Not(HasSubstr("@DATA@")));
  EXPECT_GT(page.size(), 1'000'000U) << "the chart library is in it";
  for (const char* outside : {"src=\"http", "href=\"http", "@import", "url(http"}) {
    EXPECT_THAT(page, Not(HasSubstr(outside)));
  }
  const Json data = data_of(page);
  EXPECT_EQ(data["runs"].size(), 9U);
  EXPECT_EQ(data["strategies"][0]["valid_runs"], 2);
  EXPECT_EQ(data["strategies"][2]["disturbed_runs"], 1);
}

TEST_F(Report, SeriesAreColumnsOnTheTimeOfThePlan) {
  const Json data = report_data(summary());
  ASSERT_EQ(data["runs"].size(), 3U);
  const Json& series = data["runs"][1]["series"]["resnet50"];
  EXPECT_EQ(series["influx"]["t"].front(), 0) << "the warm-up is left out";
  EXPECT_EQ(series["influx"]["t"].size(), 105U);
  EXPECT_EQ(series["influx"]["p99"].size(), 105U);
  EXPECT_LT(series["gateway"]["t"].front().get<double>(), 0.0);
  EXPECT_EQ(series["gateway"]["t"].size(), series["gateway"]["reserved"].size());
}

// Readings at 0.3, 1.3, … of a model whose replica starts at 1.2 and has its limit at 1.45.
lab::RunFiles boosted() {
  lab::RunFiles run;
  run.measured_from = 0.0;
  run.measured_until = 4.0;
  run.run = {{"machine", {{"cores", 2}}}};
  run.scenario = {{"models", {{"m", {{"cpu_request", 0.4}, {"cpu_limit", 0.4}}}}}};
  for (const double t : {0.3, 1.3, 2.3, 3.3}) {
    lab::GatewaySample s;
    s.unix_s = t;
    s.cpu_reserved = t < 1.2 ? 0.0 : t < 1.45 ? 1.0 : 0.4;
    run.gateway["m"].push_back(s);
  }
  for (const auto& [at, what] : {std::pair{1.2, "replica_started"}, {1.45, "limit_applied"}}) {
    run.decisions.push_back({{"unix_s", at}, {"event", what}, {"model", "m"}, {"replica", "m-1"}});
  }
  return run;
}

TEST(ReservedSeries, IsTheMeanSinceTheReadingBefore) {
  const Json series = series_data(boosted(), "m")["gateway"];
  // 0.1 s at 1; 0.15 s at 1 and 0.85 s at 0.4; a whole second.
  EXPECT_EQ(series["reserved"], Json({0, 0.1, 0.49, 0.4}));
  EXPECT_EQ(series["reserved_from"], "events");
}

TEST(ReservedSeries, IsTheReadingWhereTheEventsDoNotTell) {
  lab::RunFiles run = boosted();
  run.run["simulated"] = {{"records_dropped", 1}};
  EXPECT_EQ(series_data(run, "m")["gateway"]["reserved"], Json({0, 1, 0.4, 0.4}));
  EXPECT_EQ(series_data(run, "m")["gateway"]["reserved_from"], "samples");
  run = boosted();
  run.decisions.clear();
  EXPECT_EQ(series_data(run, "m")["gateway"]["reserved"], Json({0, 1, 0.4, 0.4}));
  EXPECT_EQ(series_data(run, "m")["gateway"]["reserved_from"], "samples");
}

TEST_F(Report, DecisionsCarryTheirReasons) {
  const Json data = report_data(summary());
  const Json& changes = data["runs"][1]["changes"];
  ASSERT_GE(changes.size(), 2U);
  EXPECT_TRUE(changes[0]["up"].get<bool>());
  EXPECT_THAT(changes[0]["reason"].get<std::string>(), HasSubstr("above 0.80"));
  EXPECT_TRUE(data["runs"][0]["changes"].empty()) << "`none` decides nothing";
}

TEST_F(Report, ComponentsAddUpTheWorkersOfAModel) {
  const Json data = report_data(summary());
  std::vector<std::string> names;
  for (const Json& c : data["runs"][0]["components"]) names.push_back(c["name"]);
  EXPECT_THAT(names, testing::ElementsAre("broker", "gateway", "influx", "workers: linear",
                                          "workers: resnet50", "workers: xgboost"));
}

TEST_F(Report, NothingInTheDataCanEndItsScript) {
  Json data = report_data(summary());
  data["scenario"] = "</script><script>alert(1)</script>";
  const std::string page = render(data).value();
  EXPECT_THAT(page, Not(HasSubstr("<script>alert(1)")));
  EXPECT_EQ(data_of(page)["scenario"], "</script><script>alert(1)</script>");
}

TEST_F(Report, CanBeMadeAgainFromItsDirectory) {
  const std::string first = render(report_data(summary())).value();
  EXPECT_EQ(render(report_data(lab::summarise(folder_).value())).value(), first);
}

TEST_F(Report, AnEmptyDirectoryHasNoRun) {
  std::filesystem::create_directories(folder_);
  const auto s = lab::summarise(folder_);
  ASSERT_FALSE(s.has_value());
  EXPECT_THAT(s.error().message, HasSubstr("holds no run"));
}

}  // namespace
}  // namespace spate::report
