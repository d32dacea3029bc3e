// SPDX-License-Identifier: Apache-2.0
//
// `spate model` and `spate dataset` as processes, on the project's own tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "testing/test_folder.h"

namespace spate::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Outcome {
  int status = -1;
  std::string output;  // standard output and error
};

class ModelCommand : public ::testing::Test {
 protected:
  // Runs `spate <arguments>` in the source directory, so that data/ is found.
  static Outcome spate(const std::string& arguments) {
    const std::string command = std::string("cd '") + SPATE_SOURCE_DIR + "' && '" +
                                SPATE_BINARY_DIR + "/spate' " + arguments + " 2>&1";
    Outcome outcome;
    FILE* pipe = ::popen(command.c_str(), "r");
    EXPECT_NE(pipe, nullptr);
    if (pipe == nullptr) return outcome;
    char block[4096];
    for (std::size_t n = 0; (n = std::fread(block, 1, sizeof block, pipe)) > 0;) {
      outcome.output.append(block, n);
    }
    const int ended = ::pclose(pipe);
    outcome.status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
    return outcome;
  }

  std::string out(const std::string& name) const { return (dir_ / name).string(); }

  void build_linear() {
    const auto built =
        spate("model build linear --dataset data/temperature --out " + out("linear"));
    ASSERT_EQ(built.status, 0) << built.output;
    EXPECT_THAT(built.output, HasSubstr("held out: root mean square error"));
    EXPECT_THAT(built.output, HasSubstr("for always the mean"));
  }

  TestFolder dir_;
};

TEST_F(ModelCommand, LinearFromTheProjectsTemperatures) {
  build_linear();
  const auto shown = spate("model info " + out("linear") + " --json");
  ASSERT_EQ(shown.status, 0) << shown.output;
  const auto manifest = json::parse(shown.output);
  EXPECT_EQ(manifest["kind"], "linear");
  EXPECT_EQ(manifest["files_verified"], true);
  EXPECT_LT(manifest["held_out"]["rmse"].get<double>(),
            0.3 * manifest["held_out"]["baseline_rmse"].get<double>());
  EXPECT_THAT(manifest["created_by"].get<std::string>(), HasSubstr("spate model build linear"));

  const auto one = spate("model predict " + out("linear") + " 0,1,0,1,1016,3.5,4 --json");
  ASSERT_EQ(one.status, 0) << one.output;
  EXPECT_NEAR(json::parse(one.output)["prediction"].get<double>(), 4.0, 3.0);

  const auto all = spate("model predict " + out("linear") + " data/temperature/held_out.csv");
  EXPECT_EQ(all.status, 0);
  EXPECT_THAT(all.output, HasSubstr("over 1848 labelled samples"));
}

TEST_F(ModelCommand, XgboostFromTheProjectsWeather) {
  const auto built =
      spate("model build xgboost --dataset data/weather --rounds 40 --out " + out("xgboost"));
  ASSERT_EQ(built.status, 0) << built.output;
  const auto manifest = json::parse(*read_file(dir_ / "xgboost/manifest.json"));
  EXPECT_GT(manifest["held_out"]["accuracy"].get<double>(),
            manifest["held_out"]["baseline_accuracy"].get<double>() + 0.2);

  const auto expected = out("expected.jsonl");
  const auto answered = spate("model predict " + out("xgboost") +
                              " --dataset data/weather --split held_out --expected " + expected);
  ASSERT_EQ(answered.status, 0) << answered.output;
  std::istringstream lines(*read_file(expected));
  std::string line;
  int count = 0;
  int right = 0;
  for (; std::getline(lines, line); ++count) {
    const auto answer = json::parse(line);
    EXPECT_EQ(answer["i"], count);
    right += answer["class"] == answer["label"];
  }
  EXPECT_EQ(count, 365);
  EXPECT_NEAR(right / 365.0, manifest["held_out"]["accuracy"].get<double>(), 1e-9);
}

TEST_F(ModelCommand, ExpectedAnswersOfARegressionAreNumbers) {
  build_linear();
  const auto expected = out("expected.jsonl");
  ASSERT_EQ(
      spate("model predict " + out("linear") + " --dataset data/temperature --expected " + expected)
          .status,
      0);
  const std::string text = *read_file(expected);
  const auto first = json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first["i"], 0);
  EXPECT_TRUE(first["prediction"].is_number());
  EXPECT_TRUE(first["label"].is_number());
}

TEST_F(ModelCommand, BadInputIsNamedAndTheExitStatusSaysSo) {
  build_linear();
  const auto row = spate("model predict " + out("linear") + " 1,2");
  EXPECT_EQ(row.status, 2);
  EXPECT_THAT(row.output, HasSubstr("expected 7 features (hour_sin, hour_cos"));
  const auto json_row = spate("model predict " + out("linear") + " 1,2 --json");
  EXPECT_EQ(json_row.status, 1);
  EXPECT_THAT(json_row.output, HasSubstr("{\"error\":\"expected 7 features"));
  EXPECT_THAT(spate("model predict " + out("linear") + " nothing").output,
              HasSubstr("no such file"));
  const auto columns = spate("model predict " + out("linear") + " data/weather/train.csv");
  EXPECT_EQ(columns.status, 2);
  EXPECT_THAT(columns.output, HasSubstr("no column hour_sin"));
  const auto dataset = spate("model predict " + out("linear") + " --dataset data/weather");
  EXPECT_EQ(dataset.status, 2);
  EXPECT_THAT(dataset.output, HasSubstr("has the features precipitation"));
  const auto none = spate("model info " + out("none"));
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.output, HasSubstr("make it with: spate model build"));
  EXPECT_EQ(spate("model build linear --out " + out("x")).status, 2);
}

TEST_F(ModelCommand, BenchMeasuresCallsAndLatency) {
  build_linear();
  const auto measured = spate("model bench " + out("linear") + " --seconds 0.2 --threads 2 --json");
  ASSERT_EQ(measured.status, 0) << measured.output;
  const auto result = json::parse(measured.output);
  EXPECT_GT(result["calls"].get<int>(), 100);
  EXPECT_GT(result["per_s"].get<double>(), 0.0);
  EXPECT_LE(result["p50_ms"].get<double>(), result["p99_ms"].get<double>());
}

TEST_F(ModelCommand, DataSetsAreListedAndShown) {
  const auto listed = spate("dataset list --in data");
  EXPECT_EQ(listed.status, 0);
  EXPECT_THAT(listed.output, HasSubstr("data/temperature"));
  EXPECT_THAT(listed.output, HasSubstr("table, 5 classes"));
  const auto shown = spate("dataset info data/weather --json");
  ASSERT_EQ(shown.status, 0) << shown.output;
  const auto info = json::parse(shown.output);
  EXPECT_EQ(info["samples"]["held_out"], 365);
  EXPECT_THAT(info["classes"], SizeIs(5));
  EXPECT_THAT(info["description"]["source"]["licence"].get<std::string>(),
              HasSubstr("public domain"));
  EXPECT_EQ(spate("dataset info data").status, 2);
}

}  // namespace
}  // namespace spate::test
