// SPDX-License-Identifier: Apache-2.0
//
// A real worker of a real model, measured and cached.
#include "spate/lab/capacity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spate/lab/preflight.h"
#include "testing/child_process.h"
#include "testing/test_folder.h"

namespace spate::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kProgram = std::filesystem::path(SPATE_BINARY_DIR) / "spate";
const std::filesystem::path kData = std::filesystem::path(SPATE_SOURCE_DIR) / "data/temperature";

class CapacityTest : public testing::Test {
 protected:
  void SetUp() override {
    test::ChildProcess build({kProgram.string(), "model", "build", "linear", "--dataset",
                              kData.string(), "--out", (folder_ / "model").string()});
    ASSERT_EQ(build.wait(), 0) << build.output();
    model_.name = "linear";
    model_.model = folder_ / "model";
    model_.dataset = kData;
    model_.slo_latency_ms = model_.deadline_ms = 250;
    model_.slo_target = 0.99;
    model_.cpu_request = model_.cpu_limit = 0.3;
    options_.program = kProgram;
    options_.cache = folder_ / "cache";
    options_.work = folder_ / "work";
    // The same everywhere, also where no cgroup can be made.
    options_.limits = "duty_cycle";
    // A calm machine, whatever else runs on this one.
    options_.canary = [] { return CanaryReading{}; };
  }

  test::TestFolder folder_;
  LiveLoop loop_;
  ModelScenario model_;
  CapacityOptions options_;
};

TEST_F(CapacityTest, IsMeasuredOnceAndKept) {
  const Machine machine = read_machine();
  const auto first = capacity_of(loop_, model_, machine, options_);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_FALSE(first->from_cache);
  EXPECT_GT(first->per_s, 10.0) << first->record.dump();
  EXPECT_LE(first->record["low_per_s"], first->record["per_s"]);
  EXPECT_GE(first->record["service"]["1"]["count"].get<int>(), 40);
  EXPECT_EQ(first->record["limit_mechanism"], "duty_cycle");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "work")) << "nothing is left behind";

  const auto second = capacity_of(loop_, model_, machine, options_);
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(second->from_cache);
  EXPECT_EQ(second->per_s, first->per_s);

  EXPECT_NE(capacity_key(model_, "1", machine, "auto"), capacity_key(model_, "2", machine, "auto"));
}

TEST_F(CapacityTest, IsNotKeptWhenOthersUsedTheMachineMeanwhile) {
  int readings = 0;
  options_.canary = [&readings] {
    // Of 100 s of CPU time, 60 were busy, and none of them ours.
    const double elapsed = 100.0 * readings++;
    CanaryReading reading;
    reading.total_s = elapsed;
    reading.busy_s = 0.6 * elapsed;
    return reading;
  };
  const Machine machine = read_machine();
  const auto first = capacity_of(loop_, model_, machine, options_);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  EXPECT_EQ(readings, 2) << "before and after";
  EXPECT_THAT(first->disturbances, ElementsAre(HasSubstr("other processes used")));
  EXPECT_FALSE(std::filesystem::exists(options_.cache)) << "of this moment only";
}

TEST_F(CapacityTest, AWorkerThatCannotStartIsAnError) {
  options_.program = "/bin/false";
  const auto found = capacity_of(loop_, model_, read_machine(), options_);
  ASSERT_FALSE(found.has_value());
  EXPECT_THAT(found.error().message, AllOf(HasSubstr("linear"), HasSubstr("log")));
}

TEST_F(CapacityTest, ExpectedAnswersAreMadeOnce) {
  Supervisor supervisor(loop_, folder_ / "runs", folder_ / "registry");
  const auto log = folder_ / "predict.log";
  const auto file = expected_answers(supervisor, kProgram, model_, folder_ / "expected", log);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_THAT(read_file(*file).value(), HasSubstr("\"i\":0"));
  const auto again = expected_answers(supervisor, "/bin/false", model_, folder_ / "expected", log);
  ASSERT_TRUE(again.has_value()) << "it is there, so nothing is run";
  EXPECT_EQ(*again, *file);
}

TEST_F(CapacityTest, ModelInfoTellsWhatComputesIt) {
  Supervisor supervisor(loop_, folder_ / "runs", folder_ / "registry");
  const auto info = model_info(supervisor, kProgram, model_, folder_ / "info.json");
  ASSERT_TRUE(info.has_value()) << info.error().message;
  EXPECT_EQ((*info)["kind"], "linear");
  EXPECT_EQ((*info)["runtime"], "built in");
  model_.model = folder_ / "nothing";
  EXPECT_FALSE(model_info(supervisor, kProgram, model_, folder_ / "info.json").has_value());
}

}  // namespace
}  // namespace spate::lab
