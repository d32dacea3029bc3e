// SPDX-License-Identifier: Apache-2.0
//
// The run in tests/data/runs/small is small enough to be worked by hand: 30 s, 5 requests a
// second for 5 s, then a surge of 10 a second.
#include "spate/lab/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/files.h"
#include "spate/lab/summary.h"

namespace spate::lab {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::filesystem::path kSmall =
    std::filesystem::path(SPATE_SOURCE_DIR) / "tests/data/runs/small/none-1";

RunFiles small() {
  auto files = read_run(kSmall);
  EXPECT_TRUE(files.has_value());
  return std::move(files).value();
}

// A copy of the small run without `leave_out`.
class CutShort : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::path(testing::TempDir()) /
        (std::string("spate-cut-") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(kSmall, folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST(Results, CountsComeFromInfluxsSummary) {
  const RunResult run = judge_run(small());
  EXPECT_EQ(run.run, "none-1");
  EXPECT_EQ(run.limit_mechanism, "cgroup_v1");
  ASSERT_EQ(run.models.size(), 1U);
  const ModelResult& m = run.models[0];
  EXPECT_EQ(m.sent, 275);
  EXPECT_DOUBLE_EQ(*m.slo_attainment, 220.0 / 275.0);
  EXPECT_DOUBLE_EQ(*m.accuracy, 200.0 / 250.0);
  EXPECT_EQ(m.rejected.at("overloaded"), 15);
  EXPECT_DOUBLE_EQ(*m.p99_ms, 450.0);
  EXPECT_TRUE(run.valid) << testing::PrintToString(run.invalid_reasons);
  EXPECT_TRUE(run.disturbed);
  EXPECT_THAT(run.disturbances, Contains(HasSubstr("stolen")));
}

TEST(Results, SurgeRecoveryAndWorstSecond) {
  const ModelResult m = judge_run(small()).models.at(0);
  ASSERT_EQ(m.surges.size(), 1U);
  // Seconds 5 to 11 miss; from 12 on 9 in 10. After 25: 46 of 50.
  EXPECT_DOUBLE_EQ(*m.attainment_after_surge, 46.0 / 50.0);
  EXPECT_DOUBLE_EQ(*m.recovery_s, 7.0);
  EXPECT_TRUE(m.recovered);
  EXPECT_DOUBLE_EQ(m.worst_second->attainment, 0.3);
  EXPECT_DOUBLE_EQ(m.worst_second->t_s, 5.0);
}

TEST(Results, CostOfTheSmallRun) {
  const ModelResult m = judge_run(small()).models.at(0);
  // m-1: 0.3 x 30 s. m-2: boost 1.0 x 0.2 s, then 0.3 x 10 s. At 36 an hour a CPU-second is 0.01.
  EXPECT_NEAR(m.cost.cpu_seconds, 9.0 + 0.2 + 3.0, 1e-9);
  EXPECT_NEAR(m.cost.boost_cpu_seconds, 0.2, 1e-9);
  // Half a GiB for 30 s, half a GiB more for 10 s. At 3.6 an hour a GiB-second is 0.001.
  EXPECT_NEAR(m.cost.memory_gib_seconds, 20.0, 1e-9);
  EXPECT_NEAR(m.cost.total, 0.122 + 0.020, 1e-9);
  EXPECT_NEAR(*m.cost_per_1000_good, 0.142 / 220 * 1000, 1e-9);
}

TEST(Results, SupplyStartsAndDecisions) {
  const ModelResult m = judge_run(small()).models.at(0);
  EXPECT_NEAR(m.mean_replicas, 40.0 / 30.0, 1e-9);
  EXPECT_DOUBLE_EQ(m.max_replicas, 2.0);
  EXPECT_DOUBLE_EQ(m.mean_cpu_limit, 0.3);
  ASSERT_EQ(m.starts.size(), 2U);
  EXPECT_DOUBLE_EQ(*m.starts[1].ready_ms, 200.0);
  EXPECT_DOUBLE_EQ(*m.starts[1].first_answer_ms, 300.0);
  EXPECT_FALSE(m.starts[0].first_answer_ms.has_value());
  EXPECT_EQ(m.decisions.up, 1);
  EXPECT_EQ(m.decisions.down, 1);
  EXPECT_EQ(m.decisions.hold, 1);
  EXPECT_EQ(m.decisions.clipped, 1);
}

TEST(Results, AReplicaFromTheWarmPoolIsAStartOfItsOwn) {
  RunFiles files = small();
  const std::string model = judge_run(files).models.at(0).model;
  const auto add = [&](double at, const char* event, double after_ms) {
    files.decisions.push_back({{"unix_s", at},
                               {"event", event},
                               {"model", model},
                               {"replica", "m-2"},
                               {"after_ms", after_ms}});
  };
  add(files.measured_from + 20, "parked", 1.0);
  add(files.measured_from + 21, "unparked", 4.0);
  add(files.measured_from + 21.1, "first_answer", 104.0);
  files.decisions.push_back({{"unix_s", files.measured_from + 22},
                             {"event", "unparked"},
                             {"model", model},
                             {"replica", "m-2"}});  // not by a decision: no start
  const ModelResult m = judge_run(files).models.at(0);
  ASSERT_EQ(m.starts.size(), 3U);
  EXPECT_FALSE(m.starts[1].from_pool);
  EXPECT_DOUBLE_EQ(*m.starts[1].first_answer_ms, 300.0) << "the cold start's stays";
  EXPECT_TRUE(m.starts[2].from_pool);
  EXPECT_EQ(m.starts[2].replica, "m-2");
  EXPECT_DOUBLE_EQ(*m.starts[2].ready_ms, 4.0);
  EXPECT_DOUBLE_EQ(*m.starts[2].first_answer_ms, 104.0);
}

TEST(Results, AHalfWrittenLastLineIsNoGap) { EXPECT_THAT(small().gaps, IsEmpty()); }

TEST(Results, AFolderWithoutARunIsNotFound) {
  const auto files = read_run(kSmall.parent_path());
  ASSERT_FALSE(files.has_value());
  EXPECT_EQ(files.error().code, ErrorCode::NotFound);
  EXPECT_THAT(files.error().message, HasSubstr("run.json"));
}

TEST(Results, WhatWasMeasuredCanBeReportedAtOtherPrices) {
  const auto as_run = summarise(kSmall.parent_path()).value();
  const auto twice = summarise(kSmall.parent_path(),
                               Prices{2.0 * as_run.json["prices"]["cpu_per_hour"].get<double>(),
                                      as_run.json["prices"]["memory_gib_per_hour"], "EUR"})
                         .value();
  EXPECT_DOUBLE_EQ(twice.runs[0].models[0].cost.cpu, 2.0 * as_run.runs[0].models[0].cost.cpu);
  EXPECT_DOUBLE_EQ(twice.runs[0].models[0].cost.memory, as_run.runs[0].models[0].cost.memory);
  EXPECT_EQ(twice.json["prices"]["currency"], "EUR");
}

TEST(Results, RunsAreFoundInsideAComparison) {
  EXPECT_EQ(find_runs(kSmall.parent_path()), std::vector{kSmall});
  EXPECT_EQ(find_runs(kSmall), std::vector{kSmall});
}

TEST_F(CutShort, WithoutInfluxsSummaryTheSeriesIsCountedAndTheRunIsInvalid) {
  std::filesystem::remove(folder_ / "influx.summary.json");
  const auto files = read_run(folder_);
  const RunResult run = judge_run(files.value());
  EXPECT_FALSE(run.valid);
  EXPECT_THAT(run.invalid_reasons, Contains("no influx.summary.json"));
  EXPECT_EQ(run.models[0].sent, 5 * 5 + 25 * 10) << "the warm-up's lines are left out";
  EXPECT_DOUBLE_EQ(files->measured_from, 1000.0);
}

TEST_F(CutShort, DamagedLinesInTheMiddleAreAGap) {
  auto text = read_file(folder_ / "series.jsonl").value();
  ASSERT_TRUE(write_file(folder_ / "series.jsonl", "garbage\n" + text));
  EXPECT_THAT(read_run(folder_)->gaps, Contains("1 unreadable lines in series.jsonl"));
}

TEST_F(CutShort, AnInterruptedRunIsJudgedByWhatItMeasured) {
  auto run = nlohmann::json::parse(read_file(folder_ / "run.json").value());
  run["interrupted"] = true;
  run["problems"] = {"interrupted after 10 s"};
  ASSERT_TRUE(write_file(folder_ / "run.json", run.dump()));
  std::string lines = read_file(folder_ / "influx.series.jsonl").value();
  lines.resize(lines.find(R"("t_s": 10,)"));
  lines.resize(lines.rfind('\n') + 1);
  ASSERT_TRUE(write_file(folder_ / "influx.series.jsonl", lines));
  std::filesystem::remove(folder_ / "influx.summary.json");
  const RunResult result = judge_run(read_run(folder_).value());
  EXPECT_DOUBLE_EQ(result.duration_s, 10.0);
  EXPECT_EQ(result.models[0].sent, 5 * 5 + 5 * 10);
  EXPECT_FALSE(result.valid);
}

TEST_F(CutShort, AnInvalidInfluxMakesTheRunInvalid) {
  auto summary = nlohmann::json::parse(read_file(folder_ / "influx.summary.json").value());
  summary["valid"] = false;
  summary["reasons"] = {"the generator was late"};
  ASSERT_TRUE(write_file(folder_ / "influx.summary.json", summary.dump()));
  EXPECT_THAT(judge_run(read_run(folder_).value()).invalid_reasons,
              Contains("the generator was late"));
}

TEST(ResultsJson, HasTheContractedFields) {
  const auto json = results_json(judge_run(small()));
  const auto& m = json["models"]["m"];
  for (const char* key :
       {"sent", "answered", "wrong", "accuracy", "rejected", "expired", "duplicate", "lost",
        "slo_attainment", "p50_ms", "p99_ms", "cost", "mean_replicas", "mean_cpu_limit",
        "attainment_after_surge", "recovery_s", "worst_second", "starts", "decisions"}) {
    EXPECT_TRUE(m.contains(key)) << key;
  }
  EXPECT_TRUE(m["sent"].is_number_integer());
  EXPECT_TRUE(json["valid"].get<bool>());
  EXPECT_EQ(json["limit_mechanism"], "cgroup_v1");
}

TEST(BoostCpus, IsOneOrTheLimitAndNoMoreThanTheMachine) {
  EXPECT_DOUBLE_EQ(boost_cpus(0.3, 2.0), 1.0);
  EXPECT_DOUBLE_EQ(boost_cpus(1.5, 2.0), 1.5);
  EXPECT_DOUBLE_EQ(boost_cpus(0.3, 0.5), 0.5);
}

}  // namespace
}  // namespace spate::lab
