// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/influx/report.h"

namespace spate::influx {
namespace {

using ::testing::HasSubstr;

class PlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("spate-plan-" + std::to_string(::getpid()));
    put("colours/dataset.json", R"({"target":"colour","features":["x"],"task":"classification"})");
    put("colours/train.csv", "x,colour\n1,red\n2,blue\n3,red\n4,blue\n");
    put("colours/held_out.csv", "x,colour\n1,red\n2,blue\n3,red\n");
    put("expected.jsonl",
        "{\"i\":0,\"class\":\"red\"}\n{\"i\":1,\"class\":\"red\"}\n{\"i\":2,\"class\":\"red\"}\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void put(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file(folder_ / name, text).has_value());
  }
  std::string text(const std::string& model_extra = "", const std::string& extra = "") {
    return R"({"broker": {"host": "127.0.0.1", "port": 1884, "username": "", "password_file": ""},
 "run_dir": ")" +
           (folder_ / "run").string() + R"(", "seed": 5, "run": 2, "qos": 1, "warm_up_s": 1,
 "duration_s": 4, "settle_s": 3)" +
           extra + R"(,
 "models": [{"name": "colours", "dataset": ")" +
           (folder_ / "colours").string() + R"(",
   "split": "held_out", "model_path": "m", "deadline_ms": 250, "slo_latency_ms": 200,
   "profile": {"kind": "steps", "steps": [{"for_s": 4, "rate_per_s": 50, "name": "calm"}]},
   "arrivals": {"kind": "gamma", "cv": 2})" +
           model_extra + "}]}";
  }
  Plan plan(const std::string& t) { return read_plan(ConfigReader::from_text(t, "influx.json")); }
  std::string complaint(const std::string& t) {
    try {
      Plan p = plan(t);
      (void)prepare(p);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no complaint";
  }
  std::filesystem::path folder_;
};

TEST_F(PlanTest, ReadsTheContract) {
  const Plan p = plan(text());
  EXPECT_EQ(p.generator.port, 1884);
  EXPECT_EQ(p.generator.settle, std::chrono::seconds(3));
  EXPECT_EQ(p.seed, 5U);
  EXPECT_EQ(p.run, 2U);
  ASSERT_EQ(p.models.size(), 1U);
  EXPECT_EQ(p.models[0].topic, "spate/v1/infer/colours");
  EXPECT_EQ(p.models[0].deadline, std::chrono::milliseconds(250));
  EXPECT_EQ(p.models[0].profile->total(), 200.0);
  EXPECT_EQ(p.models[0].arrivals.cv, 2.0);
  EXPECT_EQ(phase_name(p, -0.5), "warm-up");
  EXPECT_EQ(phase_name(p, 1.0), "calm");
  EXPECT_EQ(phase_name(p, 4.0), "settling");
}

TEST_F(PlanTest, PreparesPayloadsLabelsAndSchedule) {
  Plan p = plan(text(R"(, "expected": ")" + (folder_ / "expected.jsonl").string() + "\""));
  const Prepared prepared = prepare(p);
  ASSERT_EQ(prepared.load[0].samples.size(), 3U);
  EXPECT_EQ(prepared.load[0].samples[1].content_type, "application/json");
  EXPECT_THAT(prepared.load[0].samples[1].payload, HasSubstr("features"));
  EXPECT_EQ(prepared.checked[0].expected[1].predicted_class, "red");
  EXPECT_EQ(prepared.checked[0].expected[1].label_class, "blue") << "the label is the data set's";
  EXPECT_EQ(prepared.schedule.models[0], (ScheduleModel{"colours", 3}));
  EXPECT_GT(prepared.schedule.requests.size(), 100U);
}

TEST_F(PlanTest, ASavedScheduleReplaysEqual) {
  const std::string file = (folder_ / "demand.csv").string();
  Plan saving = plan(text("", R"(, "save_schedule": ")" + file + "\""));
  const Prepared original = prepare(saving);
  Plan replaying = plan(text("", R"(, "replay": ")" + file + "\""));
  replaying.seed = 99;
  const Prepared replayed = prepare(replaying);
  EXPECT_EQ(replayed.schedule, original.schedule);
  EXPECT_EQ(replaying.seed, 5U) << "the seed that made it";
  put("colours/held_out.csv", "x,colour\n1,red\n2,blue\n");
  EXPECT_THAT(complaint(text("", R"(, "replay": ")" + file + "\"")),
              HasSubstr("made for colours (3 samples), but this run has colours (2 samples)"));
}

TEST_F(PlanTest, ComplaintsNamePlaceAndExpectation) {
  EXPECT_THAT(complaint(text(R"(, "slo_ms": 3)")), HasSubstr("models[0].slo_ms: unknown key"));
  EXPECT_THAT(complaint(text("", R"(, "qos2": 2)")), HasSubstr("unknown key"));
  EXPECT_THAT(complaint(text(R"(, "expected": "none.jsonl")")), HasSubstr("none.jsonl"));
  std::string t = text();
  t.replace(t.find("held_out"), 8, "testing!");
  EXPECT_THAT(complaint(t), HasSubstr("model colours: "));
  t = text();
  t.replace(t.find("/colours\""), 9, "/nowhere\"");
  EXPECT_THAT(complaint(t), HasSubstr("model colours: "));
  t = text();
  t.replace(t.find("\"name\": \"colours\""), 17, "\"name\": \"a/b\"");
  EXPECT_THAT(complaint(t), HasSubstr("fits into an MQTT topic level"));
}

TEST_F(PlanTest, SummaryAndSeriesHoldWhatTheRunDid) {
  Plan p = plan(text());
  const Prepared prepared = prepare(p);
  Verifier verifier(prepared.schedule, prepared.checked, RequestIds({1, 2}));
  const auto& requests = prepared.schedule.requests;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    verifier.sent(i, requests[i].at);
    // Bytes that are no UTF-8 must not break the report.
    const std::string payload = i % 10 == 0 ? "\xff\xfe" : R"({"class":"red"})";
    if (i % 5 != 1) verifier.answer(verifier.ids().correlation(i), payload, requests[i].at);
  }
  verifier.finish();
  RunView view{&p, &prepared.schedule, &verifier, {}, {}, {}};
  view.verdict = judge_run(p, verifier, view.generator);
  const auto summary = nlohmann::json::parse(dump(summary_json(view)));
  const auto& m = summary.at("models").at("colours");
  const Tally& tally = verifier.tally(0);
  EXPECT_EQ(m.at("planned"), tally.planned);
  EXPECT_EQ(m.at("lost").get<std::uint64_t>(), tally.lost + verifier.report(0).lost_in_warm_up);
  EXPECT_EQ(m.at("slo_attainment"), verifier.report(0).slo_attainment());
  EXPECT_GT(m.at("accuracy").get<double>(), 0.3);
  EXPECT_EQ(m.at("phases").at(0).at("in_time"), tally.in_time);
  EXPECT_EQ(Histogram::from_json(m.at("histograms").at("latency")).count(), tally.in_time);
  EXPECT_EQ(summary.at("valid"), true) << summary.at("reasons");

  std::uint64_t planned = 0;
  std::istringstream lines(series_lines(view));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto json = nlohmann::json::parse(line);
    EXPECT_EQ(json.at("t_s"), count);
    EXPECT_EQ(json.at("model"), "colours");
    planned += json.at("planned").get<std::uint64_t>();
  }
  EXPECT_EQ(count, 4U);
  EXPECT_EQ(planned, tally.planned);
  EXPECT_THAT(summary_text(view), HasSubstr("VALID"));
}

}  // namespace
}  // namespace spate::influx
