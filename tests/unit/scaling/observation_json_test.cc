// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/observation_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace spate::scaling {
namespace {

using testing::HasSubstr;

Observation seen() {
  Observation out{.now = TimePoint(std::chrono::seconds(100)), .models = {}};
  for (const char* name : {"images", "rows"}) {
    ModelView model;
    model.model = name;
    model.slo_latency_s = 0.5;
    model.slo_target = 0.95;
    model.cpu_limit = 0.3;
    model.wanted_replicas = 2;
    model.replicas = {{.id = std::string(name) + "-1",
                       .state = ReplicaState::Ready,
                       .created = TimePoint(std::chrono::seconds(40)),
                       .state_since = TimePoint(std::chrono::seconds(42)),
                       .cpu_limit = 0.3,
                       .in_flight = 3}};
    model.start_ups = {std::chrono::milliseconds(1500)};
    MetricView cpu{.value = 0.5, .newest = TimePoint(std::chrono::seconds(99)), .readings = 5};
    cpu.replicas = {{.replica = model.replicas[0].id, .value = 0.5}};
    model.metrics = {cpu, MetricView{}};
    out.models.push_back(std::move(model));
  }
  return out;
}

std::vector<MetricSpec> specs() {
  return {{.name = "cpu", .signal = Signal::CpuOverLimit},
          {.name = "queue_length", .signal = Signal::QueueLength}};
}

std::string error_of(std::string_view line) {
  const auto decision = parse_decision(line, seen());
  return decision ? "no error" : decision.error().message;
}

TEST(ObservationJson, IsOneLineWithEverythingInIt) {
  const std::string line = observation_line(seen(), specs(), 7);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json.at("version"), kObservationVersion);
  EXPECT_EQ(json.at("sequence"), 7);
  EXPECT_EQ(json.at("now_s"), 100.0);
  const auto& model = json.at("models").at(1);
  EXPECT_EQ(model.at("model"), "rows");
  EXPECT_EQ(model.at("wanted_replicas"), 2);
  EXPECT_EQ(model.at("replicas").at(0).at("state"), "ready");
  EXPECT_EQ(model.at("replicas").at(0).at("age_s"), 60.0);
  EXPECT_EQ(model.at("replicas").at(0).at("state_age_s"), 58.0);
  EXPECT_EQ(model.at("start_ups_s").at(0), 1.5);
  const auto& cpu = model.at("metrics").at("cpu");
  EXPECT_EQ(cpu.at("value"), 0.5);
  EXPECT_EQ(cpu.at("age_s"), 1.0);
  EXPECT_EQ(cpu.at("replicas").at("rows-1"), 0.5);
  const auto& queue = model.at("metrics").at("queue_length");
  EXPECT_TRUE(queue.at("value").is_null());
  EXPECT_TRUE(queue.at("age_s").is_null());
  EXPECT_FALSE(queue.contains("replicas"));
}

TEST(ObservationJson, NumbersThatAreNotFiniteAreNull) {
  Observation odd = seen();
  odd.models[0].metrics[0].value = std::numeric_limits<double>::quiet_NaN();
  const auto json = nlohmann::json::parse(observation_line(odd, specs(), 1));
  EXPECT_TRUE(json.at("models").at(0).at("metrics").at("cpu").at("value").is_null());
}

TEST(DecisionJson, NamedModelsAreDecidedAndOthersHeld) {
  const auto decision = parse_decision(
      R"({"sequence": 9, "models": [{"model": "rows", "replicas": 4, "cpu_limit": 0.5,
          "max_batch": 8, "warm_pool": 1, "reason": "because"}]})",
      seen());
  ASSERT_TRUE(decision) << decision.error().message;
  EXPECT_EQ(decision.value().sequence, 9U);
  const auto& [images, rows] = std::tie(decision.value().targets[0], decision.value().targets[1]);
  EXPECT_EQ(images.replicas, 2);
  EXPECT_THAT(images.reason, HasSubstr("hold"));
  EXPECT_EQ(rows.replicas, 4);
  EXPECT_EQ(rows.cpu_limit, 0.5);
  EXPECT_EQ(rows.max_batch, 8);
  EXPECT_EQ(rows.warm_pool, 1);
  EXPECT_EQ(rows.reason, "because");
}

TEST(DecisionJson, WhatIsNoDecisionIsQuoted) {
  EXPECT_THAT(error_of("hello"), HasSubstr("the line was: hello"));
  EXPECT_THAT(error_of("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(error_of(R"({"models": []})"), HasSubstr("\"sequence\" is missing"));
  EXPECT_THAT(error_of(R"({"sequence": 1})"), HasSubstr("\"models\" must be a list"));
  EXPECT_THAT(error_of(R"({"sequence": 1, "models": [{"model": "cats"}]})"),
              HasSubstr("\"cats\" is no model"));
  EXPECT_THAT(error_of(R"({"sequence": 1, "models": [], "more": 1})"),
              HasSubstr("unknown key \"more\""));
  EXPECT_THAT(error_of(R"({"sequence": 1, "models": [{"model": "rows", "replica": 3}]})"),
              HasSubstr("unknown key \"replica\""));
  for (const char* bad : {"-1", "1.5", "\"3\"", "1e9"}) {
    EXPECT_THAT(
        error_of(std::string(R"({"sequence": 1, "models": [{"model": "rows", "replicas": )") + bad +
                 "}]}"),
        HasSubstr("whole number"))
        << bad;
  }
  EXPECT_THAT(error_of(R"({"sequence": 1, "models": [{"model": "rows", "cpu_limit": 0}]})"),
              HasSubstr("CPUs above 0"));
  EXPECT_LT(error_of(std::string(5000, 'x')).size(), 700U) << "long lines are cut";
}

}  // namespace
}  // namespace spate::scaling
