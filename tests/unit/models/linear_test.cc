// SPDX-License-Identifier: Apache-2.0
#include "spate/models/linear.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/models/linear_fit.h"
#include "testing/model_conformance.h"
#include "testing/shared_dir.h"

namespace spate::models {
namespace {

using ::spate::test::TestFolder;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(FitLinear, ALineWorkedByHand) {
  // y of x = 0, 1, 2 is 1, 2, 4: slope 3/2, intercept 7/3 - 3/2 = 5/6.
  const std::vector<double> x{0, 1, 2};
  const std::vector<double> y{1, 2, 4};
  const auto fit = fit_linear(x, 1, y);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->parameters.coefficients[0], 1.5, 1e-14);
  EXPECT_NEAR(fit->parameters.intercept, 5.0 / 6.0, 1e-14);
  EXPECT_THAT(fit->parameters.means, ElementsAre(1.0));
}

TEST(FitLinear, APlaneIsFoundExactly) {
  // y = 2 + 3 a - 0.5 b
  const std::vector<double> x{1, 10, 2, 40, 3, 20, 4, 70, 5, 15};
  std::vector<double> y;
  for (std::size_t i = 0; i < 5; ++i) y.push_back(2 + 3 * x[2 * i] - 0.5 * x[2 * i + 1]);
  const auto fit = fit_linear(x, 2, y);
  EXPECT_NEAR(fit->parameters.coefficients[0], 3.0, 1e-12);
  EXPECT_NEAR(fit->parameters.coefficients[1], -0.5, 1e-12);
  EXPECT_NEAR(fit->parameters.intercept, 2.0, 1e-11);
  EXPECT_THAT(fit->constant, IsEmpty());
  EXPECT_THAT(fit->dependent, IsEmpty());
}

TEST(FitLinear, ConstantColumnsGetNoWeight) {
  const std::vector<double> x{1, 0.1, 2, 0.1, 3, 0.1};
  const auto fit = fit_linear(x, 2, std::vector<double>{2, 4, 6});
  EXPECT_THAT(fit->constant, ElementsAre(1U));
  EXPECT_EQ(fit->parameters.coefficients[1], 0.0);
  EXPECT_NEAR(fit->parameters.coefficients[0], 2.0, 1e-13);
}

TEST(FitLinear, OnlyConstantColumnsGiveTheMean) {
  const auto fit = fit_linear(std::vector<double>{7, 7, 7}, 1, std::vector<double>{1, 2, 6});
  EXPECT_EQ(fit->parameters.intercept, 3.0);
  EXPECT_THAT(fit->parameters.coefficients, ElementsAre(0.0));
}

TEST(FitLinear, ADependentColumnIsFoundAndThePredictionsStayRight) {
  // The third column is the sum of the others.
  std::vector<double> x;
  std::vector<double> y;
  for (int i = 0; i < 12; ++i) {
    const double a = i;
    const double b = (i * 7) % 5;
    x.insert(x.end(), {a, b, a + b});
    y.push_back(1 + 2 * a + 3 * b);
  }
  const auto fit = fit_linear(x, 3, y);
  ASSERT_EQ(fit->dependent.size(), 1U);
  EXPECT_EQ(fit->parameters.coefficients[fit->dependent[0]], 0.0);
  Manifest manifest;
  manifest.features = {"a", "b", "c"};
  const LinearModel model(manifest, fit->parameters);
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(model.value(&x[3 * i]), y[i], 1e-10);
}

TEST(FitLinear, FarOffsetsAndUnlikeUnitsCostNoDigits) {
  // Normal equations on these raw columns would keep no digit at all.
  std::vector<double> x;
  std::vector<double> y;
  for (int i = 0; i < 50; ++i) {
    const double time = 1.7e9 + 3600.0 * i;  // seconds since 1970
    const double small = 1e-6 * ((i * 13) % 17);
    x.insert(x.end(), {time, small});
    y.push_back(5 + 1e-3 * (time - 1.7e9) + 2e5 * small);
  }
  const auto fit = fit_linear(x, 2, y);
  EXPECT_NEAR(fit->parameters.coefficients[0], 1e-3, 1e-12);
  EXPECT_NEAR(fit->parameters.coefficients[1], 2e5, 1e-3);
}

TEST(FitLinear, OneRowIsTooFew) {
  EXPECT_EQ(fit_linear(std::vector<double>{1}, 1, std::vector<double>{1}).error().code,
            ErrorCode::InvalidArgument);
}

TEST(FitLinear, MoreColumnsThanRowsGivesSomeExactFit) {
  const std::vector<double> x{1, 5, 2, 2, 1, 9};
  const auto fit = fit_linear(x, 3, std::vector<double>{3, 4});
  ASSERT_TRUE(fit);
  EXPECT_EQ(fit->dependent.size(), 2U);
}

class BuildLinear : public ::testing::Test {
 protected:
  Result<BuildReport> build(const std::string& csv, const std::string& target = "y") {
    TableBuildOptions options;
    options.csv = dir_.write("t.csv", csv);
    options.target = target;
    options.out = dir_ / "model";
    options.held_out_share = share_;
    return build_linear(options);
  }
  TestFolder dir_;
  double share_ = 0.0;
};

TEST_F(BuildLinear, MissingCellsTakeTheMeanAndAreCounted) {
  const auto report = build("a,y\n1,10\nNA,20\n3,30\n5,\n");
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->notes, Contains(HasSubstr("1 row without y left out")));
  EXPECT_THAT(report->notes, Contains(HasSubstr("1 missing cells (a 1)")));
  const auto model = load_model(dir_ / "model");
  ASSERT_TRUE(model) << model.error().message;
  // a = 1, 2, 3 with y = 10, 20, 30.
  const Input input{"", R"({"features":[7]})"};
  EXPECT_NEAR(*(*model)->predict({&input, 1})[0]->rows[0].value, 70.0, 1e-10);
}

TEST_F(BuildLinear, SaysWhichColumnsAreWithoutEffect) {
  const auto report = build("a,b,c,y\n1,2,9,1\n2,4,9,2\n3,6,9,4\n4,8,9,4\n");
  ASSERT_TRUE(report);
  EXPECT_THAT(report->notes, Contains("the same value in every row, so without effect: c"));
  EXPECT_THAT(report->notes, Contains(HasSubstr("given coefficient 0: ")));
  EXPECT_EQ(nlohmann::json::parse(report->manifest.settings_json)["rank"], 1);
}

TEST_F(BuildLinear, TheHeldOutQualityStandsBesideTheMeansError) {
  std::string csv = "a,y\n";
  for (int i = 0; i < 40; ++i) {
    csv += std::to_string(i) + "," + std::to_string(3 * i + (i % 2)) + "\n";
  }
  share_ = 0.25;
  const auto report = build(csv);
  ASSERT_TRUE(report);
  const auto& quality = report->manifest.held_out;
  EXPECT_EQ(quality.at("held_out_rows"), 10.0);
  EXPECT_LT(quality.at("rmse"), 1.0);
  EXPECT_GT(quality.at("baseline_rmse"), 10.0);
  EXPECT_GT(quality.at("r2"), 0.99);
}

TEST_F(BuildLinear, ATargetOfTextIsRefused) {
  EXPECT_THAT(build("a,y\n1,sun\n2,rain\n").error().message,
              HasSubstr("t.csv:2: column y: expected a number, got \"sun\""));
}

TEST_F(BuildLinear, ATamperedModelIsNotLoaded) {
  ASSERT_TRUE(build("a,y\n1,10\n2,20\n3,35\n"));
  std::string text = *read_file(dir_ / "model/linear.json");
  text[text.find("intercept") + 13] = '7';
  dir_.write("model/linear.json", text);
  EXPECT_THAT(load_model(dir_ / "model").error().message, HasSubstr("sha256"));
}

TEST_F(BuildLinear, AnOverflowIsTheSendersInput) {
  ASSERT_TRUE(build("a,y\n1,10\n2,200\n3,300\n"));
  const auto model = load_model(dir_ / "model");
  const Input input{"", R"({"features":[1e308]})"};
  const auto answers = (*model)->predict({&input, 1});
  EXPECT_EQ(answers[0].error().code, ErrorCode::InvalidArgument);
}

// The reference: numpy 2.4 on all 506 rows, missing cells replaced by numpy.nanmean of their
// column, numpy.linalg.lstsq with a column of ones. Intercept, then coefficients.
TEST_F(BuildLinear, EqualsAReferenceFitOnHousing) {
  SPATE_SKIP_WITHOUT_SHARED("seed-data/HousingData.csv");
  TableBuildOptions options;
  options.csv = ::spate::test::shared_dir() / "seed-data/HousingData.csv";
  options.target = "MEDV";
  options.features = {"RM", "LSTAT", "PTRATIO", "INDUS", "NOX"};
  options.out = dir_ / "model";
  const auto report = build_linear(options);
  ASSERT_TRUE(report) << report.error().message;
  const auto parameters = nlohmann::json::parse(*read_file(dir_ / "model/linear.json"));
  EXPECT_NEAR(parameters["intercept"].get<double>(), 19.025157371362592, 1e-9);
  const double reference[] = {4.809474456114727, -0.5103528606729227, -0.9602789926911295,
                              0.021121088256136063, -4.9404211620422185};
  for (std::size_t j = 0; j < 5; ++j) {
    EXPECT_NEAR(parameters["coefficients"][j].get<double>(), reference[j], 1e-10) << j;
  }
  EXPECT_THAT(report->notes, Contains(HasSubstr("40 missing cells (LSTAT 20, INDUS 20)")));
  EXPECT_LT(report->manifest.held_out.at("rmse"),
            0.7 * report->manifest.held_out.at("baseline_rmse"));
}

}  // namespace
}  // namespace spate::models

namespace spate::test {
namespace {

ModelCase linear_case() {
  ModelCase model;
  model.name = "Linear";
  model.build = [](const std::filesystem::path& directory) -> Status {
    models::Manifest manifest;
    manifest.name = "linear";
    manifest.kind = "linear";
    manifest.features = {"area", "rooms", "age"};
    manifest.target = "price";
    models::LinearParameters parameters;
    parameters.intercept = 1.25;
    parameters.coefficients = {0.5, -2.0 / 3.0, 1e-3};
    parameters.means = {100, 4, 30};
    auto saved = models::save_linear(directory, manifest, parameters);
    return saved ? ok() : Status(saved.error());
  };
  model.good = {{"application/json", R"({"features":[1,2,3]})"},
                {"application/json", R"({"features":{"age":3,"rooms":2,"area":1}})"},
                {"application/json", R"({"instances":[[1,2,3],[4,5,6]]})"},
                {"application/x-spate-f32", std::string(24, '\0')}};
  model.bad = bad_table_inputs(3, "area");
  return model;
}

INSTANTIATE_TEST_SUITE_P(Linear, ModelConformance, ::testing::Values(linear_case()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace spate::test
