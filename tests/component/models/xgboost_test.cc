// SPDX-License-Identifier: Apache-2.0
//
// The xgboost module with the real libxgboost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/rng.h"
#include "spate/models/xgboost/train.h"
#include "testing/model_conformance.h"
#include "testing/shared_dir.h"

namespace spate::test {
namespace {

using models::BuildReport;
using models::xgboost::TrainOptions;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<BuildReport> train(const TrainOptions& options) {
  const auto symbol =
      models::module_symbol(models::xgboost::kTrainingModule, models::xgboost::kTrainingSymbol);
  if (!symbol) return symbol.error();
  return reinterpret_cast<models::xgboost::Training (*)()>(*symbol)().train(options);
}

// Points of a plane; `target` makes a row's cell of "y".
std::string plane_csv(int rows, const std::function<std::string(double, double)>& target) {
  Rng rng(7, "plane");
  std::string text = "a,b,y\n";
  for (int i = 0; i < rows; ++i) {
    const double a = rng.uniform(-1, 1);
    const double b = rng.uniform(-1, 1);
    text += std::to_string(a) + "," + std::to_string(b) + "," + target(a, b) + "\n";
  }
  return text;
}

std::string quadrant(double a, double b) {
  return a > 0 ? (b > 0 ? "north east" : "south east") : (b > 0 ? "north west" : "south west");
}
std::string side(double a, double) { return a > 0 ? "1" : "0"; }
std::string height(double a, double b) { return std::to_string(3 * a + b * b); }

TrainOptions options_for(const std::filesystem::path& directory, const std::string& csv) {
  TrainOptions options;
  options.table.csv = directory / "t.csv";
  EXPECT_TRUE(write_file(options.table.csv, csv));
  options.table.target = "y";
  options.table.out = directory / "model";
  options.rounds = 30;
  options.depth = 3;
  return options;
}

Status build(const std::filesystem::path& directory,
             const std::function<std::string(double, double)>& target) {
  auto options = options_for(directory.parent_path(), plane_csv(300, target));
  options.table.out = directory;
  const auto report = train(options);
  return report ? ok() : Status(report.error());
}

TEST(TrainXgboost, TextMakesClassesAndBeatsTheMajority) {
  const TestFolder dir;
  const auto report = train(options_for(dir.path(), plane_csv(400, quadrant)));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->manifest.classes,
              ElementsAre("north east", "north west", "south east", "south west"));
  EXPECT_GT(report->manifest.held_out.at("accuracy"), 0.9);
  EXPECT_LT(report->manifest.held_out.at("baseline_accuracy"), 0.5);
  EXPECT_THAT(report->notes, Contains("4 classes: y holds text"));
  EXPECT_THAT(report->notes, Contains(HasSubstr("80 of 400 rows held out at random (seed 1)")));
}

TEST(TrainXgboost, FewWholeNumbersAreClassesAndOthersARegression) {
  const TestFolder dir;
  auto report = train(options_for(dir.path(), plane_csv(300, side)));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->manifest.classes, ElementsAre("0", "1"));
  EXPECT_GT(report->manifest.held_out.at("accuracy"), 0.9);

  report = train(options_for(dir.path(), plane_csv(300, height)));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->manifest.task, models::Task::Regression);
  EXPECT_LT(report->manifest.held_out.at("rmse"),
            0.3 * report->manifest.held_out.at("baseline_rmse"));

  auto options = options_for(dir.path(), plane_csv(300, side));
  options.objective = "regression";
  report = train(options);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->manifest.task, models::Task::Regression);
}

TEST(TrainXgboost, EqualSeedsGiveEqualModels) {
  const TestFolder dir;
  auto options = options_for(dir.path(), plane_csv(200, quadrant));
  const auto first = train(options);
  options.table.out = dir / "again";
  const auto second = train(options);
  options.table.seed = 2;
  options.table.out = dir / "other";
  const auto other = train(options);
  ASSERT_TRUE(first && second && other);
  EXPECT_EQ(first->manifest.version, second->manifest.version);
  EXPECT_NE(first->manifest.version, other->manifest.version);
}

TEST(TrainXgboost, MissingCellsAreCountedAndLearnedFrom) {
  const TestFolder dir;
  std::string csv = plane_csv(300, quadrant);
  csv += ",0.5,north east\nNA,0.5,north east\n";
  const auto report = train(options_for(dir.path(), csv));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->notes, Contains("2 missing cells (a 2)"));
}

TEST(TrainXgboost, WhatCannotBeLearnedIsSaid) {
  const TestFolder dir;
  EXPECT_THAT(train(options_for(dir.path(), "a,y\n1,x\n2,x\n3,x\n")).error().message,
              HasSubstr("nothing to tell apart"));
  auto options = options_for(dir.path(), "a,y\n1,x\n2,z\n");
  options.objective = "regression";
  EXPECT_THAT(train(options).error().message,
              HasSubstr("t.csv:2: column y: expected a number, got \"x\""));
  options.rounds = 0;
  EXPECT_THAT(train(options).error().message, HasSubstr("rounds: expected [1, 100000], got 0"));
}

TEST(TrainXgboost, BeatsTheMajorityOfWines) {
  SPATE_SKIP_WITHOUT_SHARED("seed-data/WineQT.csv");
  const TestFolder dir;
  TrainOptions options;
  options.table.csv = shared_dir() / "seed-data/WineQT.csv";
  options.table.target = "quality";
  options.table.features = {"fixed acidity",
                            "volatile acidity",
                            "citric acid",
                            "residual sugar",
                            "chlorides",
                            "free sulfur dioxide",
                            "density",
                            "total sulfur dioxide",
                            "pH",
                            "sulphates",
                            "alcohol"};
  options.table.out = dir / "model";
  const auto report = train(options);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->manifest.classes.size(), 6U);
  EXPECT_GT(report->manifest.held_out.at("accuracy"),
            report->manifest.held_out.at("baseline_accuracy") + 0.12);
}

TEST(XgboostModel, ANumberBeyondFloat32IsTheSendersInput) {
  const TestFolder dir;
  ASSERT_TRUE(build(dir / "model", height));
  const auto model = models::load_model(dir / "model");
  ASSERT_TRUE(model) << model.error().message;
  const models::Input input{"", R"({"features":[0,1e300]})"};
  const auto answers = (*model)->predict({&input, 1});
  ASSERT_FALSE(answers[0]);
  EXPECT_THAT(answers[0].error().message, HasSubstr("feature 2 (b): 1e+300 is out of the range"));
}

TEST(XgboostModel, ProbabilitiesAreSortedAndSumToOne) {
  const TestFolder dir;
  ASSERT_TRUE(build(dir / "model", quadrant));
  const auto model = models::load_model(dir / "model");
  ASSERT_TRUE(model) << model.error().message;
  const models::Input input{"", R"({"features":[0.7,-0.7]})"};
  const auto answers = (*model)->predict({&input, 1});
  ASSERT_TRUE(answers[0]);
  const auto& top = answers[0]->rows[0].top;
  ASSERT_EQ(top.size(), 4U);
  EXPECT_EQ(top[0].label, "south east");
  double sum = 0.0;
  double last = 1.0;
  for (const auto& score : top) {
    sum += score.probability;
    EXPECT_LE(score.probability, last);
    last = score.probability;
  }
  EXPECT_NEAR(sum, 1.0, 1e-5);
}

ModelCase xgboost_case(const std::string& name,
                       const std::function<std::string(double, double)>& target) {
  ModelCase model;
  model.name = name;
  model.build = [target](const std::filesystem::path& directory) {
    return build(directory, target);
  };
  model.good = {{"application/json", R"({"features":[0.5,0.5]})"},
                {"application/json", R"({"features":{"b":-0.5,"a":0.5}})"},
                {"application/json", R"({"instances":[[-0.5,0.5],[0.1,0.9],[-1,-1]]})"},
                {"application/x-spate-f32", std::string(16, '\0')}};
  model.bad = bad_table_inputs(2, "a");
  return model;
}

INSTANTIATE_TEST_SUITE_P(Xgboost, ModelConformance,
                         ::testing::Values(xgboost_case("Regression", height),
                                           xgboost_case("TwoClasses", side),
                                           xgboost_case("ManyClasses", quadrant)),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace spate::test
