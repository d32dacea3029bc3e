// SPDX-License-Identifier: Apache-2.0
//
// A machine profile of real workers of a real, tiny model, and a live capacity. What is asked of
// the figures are relations that hold on any machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spate/lab/capacity_curve.h"
#include "spate/lab/model_samples.h"
#include "spate/lab/profile_assembly.h"
#include "spate/lab/profile_measure.h"
#include "spate/lab/supervisor.h"
#include "spate/sim/machine_profile.h"
#include "testing/child_process.h"
#include "testing/test_folder.h"

namespace spate::lab {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const std::filesystem::path kProgram = std::filesystem::path(SPATE_BINARY_DIR) / "spate";
const std::filesystem::path kData = std::filesystem::path(SPATE_SOURCE_DIR) / "data/temperature";

class ProfileTest : public testing::Test {
 protected:
  void SetUp() override {
    test::ChildProcess build({kProgram.string(), "model", "build", "linear", "--dataset",
                              kData.string(), "--out", (folder_ / "linear").string()});
    ASSERT_EQ(build.wait(), 0) << build.output();
    scenario_ = read_scenario_text(R"(
name: test
models:
  linear:
    model: )" + (folder_ / "linear").string() +
                                       R"(
    dataset: )" + kData.string() + R"(
    slo: {latency_ms: 5000, target: 0.8}
    demand: {profile: {kind: constant, rate_per_s: 10}}
    cpu_request: 0.5
duration_s: 5
)",
                                   "test.yaml");
    options_.program = kProgram;
    options_.work = folder_ / "work";
    options_.spate_version = "test";
    // The same everywhere, also where no cgroup can be made.
    options_.limits = "duty_cycle";
    options_.seconds = 0.4;
    options_.starts = 2;
    options_.limit_changes = 2;
    options_.batches = {1, 8};
    options_.check_cpus = {0.5};
    options_.live_seconds = 6.0;
    options_.loads = {0.0, 0.5};
    options_.say = [this](const std::string& line) { said_.push_back(line); };
  }

  test::TestFolder folder_;
  LiveLoop loop_;
  Scenario scenario_;
  ProfileOptions options_;
  std::vector<std::string> said_;
};

TEST_F(ProfileTest, OfRealWorkersIsWhatTheSimulatorReads) {
  const auto samples = measure_profile(loop_, scenario_.models, options_);
  ASSERT_TRUE(samples.has_value()) << samples.error().message;
  ASSERT_THAT(samples->models, SizeIs(1));
  const ModelSamples& m = samples->models[0];
  ASSERT_THAT(m.calls, SizeIs(2));
  EXPECT_THAT(m.checks, SizeIs(1));
  EXPECT_THAT(m.idle, SizeIs(2));
  EXPECT_THAT(m.busy, SizeIs(2));
  EXPECT_GT(m.calls.front().memory_bytes, 1e6);
  EXPECT_GE(m.rested.calls.size(), 60U);
  for (const StartSample& s : m.idle) {
    EXPECT_GE(s.spawn, Duration{0});
    EXPECT_GT(s.to_main, Duration{0});
    EXPECT_GT(s.load, Duration{0});
    EXPECT_GT(s.first_call, Duration{0});
    EXPECT_LE(s.load_cpu, 8 * s.load) << "no more than all CPUs";
  }
  EXPECT_GT(samples->transport.latency.count(), 100U);
  EXPECT_GT(samples->transport.high_cpus, 0.0);
  ASSERT_THAT(samples->transport.loaded, SizeIs(2));
  for (const auto& at : samples->transport.loaded) EXPECT_GT(at.latency.count(), 20U);
  EXPECT_FALSE(samples->transport.decision_to_process.empty());
  EXPECT_THAT(samples->follows, SizeIs(2));
  EXPECT_FALSE(std::filesystem::exists(runtime_directory() / "bench.sock"));

  const auto json = assemble_profile(*samples);
  const auto profile =
      sim::read_machine_profile(ConfigReader::from_text(json.dump(), "profile.json"));
  const sim::ProfiledModel& read = profile.model("linear");
  ASSERT_THAT(read.service.entries, SizeIs(2));
  EXPECT_GT(read.service.mean_ns(1), 0.0);
  // A batch of 8 is more work than a single request, and less than eight calls of their own.
  EXPECT_GT(read.service.mean_ns(8), read.service.mean_ns(1));
  EXPECT_LT(read.service.mean_ns(8), 8.0 * read.service.mean_ns(1));
  EXPECT_TRUE(read.start_busy.has_value());
  EXPECT_GT(read.service_rested.mean_ns(), 0.0);
  ASSERT_THAT(profile.transport, SizeIs(2));
  EXPECT_EQ(profile.transport[1].busy_ratio, 0.5);
  EXPECT_GT(profile.to_gateway.mean_ns(), 0.0);
  EXPECT_EQ(profile.limit_mechanism, "duty_cycle");
  EXPECT_THAT(profile_table(json), HasSubstr("kept by duty_cycle")) << "it is told";
  EXPECT_GT(said_.size(), 5U);
}

TEST_F(ProfileTest, AWorkerThatCannotStartIsAnError) {
  options_.program = "/bin/false";
  const auto samples = measure_profile(loop_, scenario_.models, options_);
  ASSERT_FALSE(samples.has_value());
  EXPECT_THAT(samples.error().message, AllOf(HasSubstr("linear"), HasSubstr("log")));
}

// A rate far below what a linear model does passes; the test ends long before its plan.
TEST_F(ProfileTest, ALiveCapacityIsABracket) {
  LiveCurveOptions options;
  options.program = kProgram;
  options.work = folder_ / "live";
  options.limits = "none";
  options.most_seconds = 40.0;
  options.most_rates = 1;
  options.say = [this](const std::string& line) { said_.push_back(line); };
  const auto live = measure_live_capacity(loop_, scenario_, {"linear", 1.0, 1, 1}, 20.0, options);
  ASSERT_TRUE(live.has_value()) << live.error().message;
  ASSERT_THAT(live->rates, SizeIs(1));
  EXPECT_EQ(live->rates[0].verdict, ShareVerdict::Above) << live->rates[0].share;
  EXPECT_EQ(live->low_per_s, 20.0);
  EXPECT_FALSE(live->high_per_s.has_value());
  EXPECT_GT(live->rates[0].asked, 100.0);
  EXPECT_LT(live->rates[0].seconds, 40.0) << "it ended as soon as it could tell";
}

}  // namespace
}  // namespace spate::lab
