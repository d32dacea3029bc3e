// SPDX-License-Identifier: Apache-2.0
//
// What the lab writes, the gateway and influx must be able to read.
#include "spate/lab/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "spate/base/config_reader.h"
#include "spate/gateway/config.h"
#include "spate/influx/plan.h"
#include "spate/lab/compare.h"
#include "spate/scaling/demand.h"

namespace spate::lab {
namespace {

using testing::HasSubstr;

Scenario demo() {
  Scenario s = read_scenario(std::filesystem::path(SPATE_SOURCE_DIR) / "scenarios/demo.yaml");
  for (auto& m : s.models) {
    if (m.needs_capacity) resolve_demand(m, 6.0, s.duration_s);
  }
  return s;
}

RunPaths paths() { return run_paths("/tmp/run/vertical-1", "/run/spate", "id"); }

TEST(RunConfig, TheGatewayReadsItsConfig) {
  const Scenario s = demo();
  BrokerAddress broker;
  broker.port = 40001;
  const auto json = gateway_json(s, {"eager", "horizontal", R"({"high_ratio":0.6})"}, broker,
                                 paths(), "id", "auto");
  const auto config =
      gateway::read_gateway_config(ConfigReader::from_text(json.dump(), "gateway.json"));
  EXPECT_EQ(config.broker.port, 40001);
  EXPECT_EQ(config.strategy.name, "horizontal");
  EXPECT_THAT(config.strategy.options_json, HasSubstr("0.6"));
  ASSERT_EQ(config.models.size(), 3U);
  EXPECT_EQ(config.models[0].name, "resnet50");
  EXPECT_TRUE(config.models[0].scaled);
  EXPECT_FALSE(config.models[1].scaled);
  EXPECT_EQ(config.models[0].max_replicas, 3);
  EXPECT_DOUBLE_EQ(config.models[0].max_cpu, 0.9);
  EXPECT_DOUBLE_EQ(config.models[0].cpu_ceiling, 0.9);
  EXPECT_EQ(config.run_label, "vertical-1");
  EXPECT_EQ(config.http.host, "127.0.0.1");
  EXPECT_EQ(config.http.port, 0);
  const std::chrono::duration<double, std::milli> slo = config.models[0].slo_latency;
  EXPECT_DOUBLE_EQ(slo.count(), s.models[0].slo_latency_ms);
}

TEST(RunConfig, OnlyBaselinesAreToldTheDemand) {
  const Scenario s = demo();
  const auto told =
      gateway_json(s, {"static_peak", "static_peak", "{}"}, {}, paths(), "id", "auto");
  const auto demand = scaling::read_demand(
      ConfigReader::from_text(told["strategy"]["demand"].dump(), "gateway.json"));
  ASSERT_EQ(demand.size(), 1U);  // of the model that strategies see
  const scaling::DemandSchedule& images = demand.at("resnet50");
  EXPECT_DOUBLE_EQ(images.step_s, 1.0);
  EXPECT_EQ(images.rates_per_s.size(), static_cast<std::size_t>(s.warm_up_s + s.duration_s));
  EXPECT_NEAR(images.rate(0.0), s.models[0].profile.rate(0.0), 1e-9);
  EXPECT_NEAR(images.rate(s.warm_up_s + 20.0), s.models[0].profile.rate(20.5), 1e-9);
  EXPECT_NEAR(images.peak(), s.models[0].profile.peak_per_s(), 1e-9);
  const auto other = gateway_json(s, {"horizontal", "horizontal", "{}"}, {}, paths(), "id", "auto");
  EXPECT_FALSE(other["strategy"].contains("demand"));
  EXPECT_NO_THROW(
      gateway::read_gateway_config(ConfigReader::from_text(told.dump(), "gateway.json")));
}

TEST(RunConfig, InfluxReadsItsPlanAndEachRepetitionHasItsOwnSchedule) {
  const auto json = influx_json(demo(), {}, paths(), 3, {{"resnet50", "/tmp/expected.jsonl"}});
  const auto plan = influx::read_plan(ConfigReader::from_text(json.dump(), "influx.json"));
  EXPECT_EQ(plan.run, 2U);
  EXPECT_DOUBLE_EQ(plan.duration_s, 105.0);
  ASSERT_EQ(plan.models.size(), 3U);
  EXPECT_EQ(plan.models[0].expected, "/tmp/expected.jsonl");
  EXPECT_DOUBLE_EQ(plan.models[0].profile->rate(20.0), 15.0);
  EXPECT_EQ(plan.models[1].expected, "");
}

TEST(RunConfig, TheHttpAddressIsTheGatewaysAndInfluxListensOnTheSameHost) {
  const HttpAddress http = parse_http_address("0.0.0.0:8080");
  const auto gateway = gateway::read_gateway_config(ConfigReader::from_text(
      gateway_json(demo(), {"none", "none", "{}"}, {}, paths(), "id", "auto", http).dump(), "g"));
  EXPECT_EQ(gateway.http.host, "0.0.0.0");
  EXPECT_EQ(gateway.http.port, 8080);
  const auto plan = influx::read_plan(
      ConfigReader::from_text(influx_json(demo(), {}, paths(), 1, {}, http).dump(), "i"));
  ASSERT_TRUE(plan.metrics);
  EXPECT_EQ(plan.metrics->host, "0.0.0.0");
  EXPECT_EQ(plan.metrics->port, 0);
}

TEST(RunConfig, HttpAddressesAreReadStrictly) {
  EXPECT_EQ(parse_http_address("8080").host, "127.0.0.1");
  EXPECT_EQ(parse_http_address("8080").port, 8080);
  EXPECT_EQ(parse_http_address("[::]:9").host, "::");
  for (const char* bad : {"", "0", "65536", ":80", "host:", "host:80x", "-1", "8 0"}) {
    EXPECT_THROW(parse_http_address(bad), ConfigError) << bad;
  }
}

TEST(RunConfig, ALongPathMovesTheSocket) {
  EXPECT_EQ(paths().socket, "/tmp/run/vertical-1/gateway.sock");
  const std::string deep = "/tmp/" + std::string(120, 'x');
  const RunPaths moved = run_paths(deep, "/run/spate", "id");
  EXPECT_EQ(moved.socket.parent_path(), "/run/spate");
  EXPECT_LE(moved.socket.string().size(), 107U);
  EXPECT_NE(moved.socket, run_paths(deep + "y", "/run/spate", "id").socket);
}

TEST(BrokerConfig, KeepsTheQueueInTheGateway) {
  const std::string config = broker_config({}, 40001, "/data", false);
  for (const char* line :
       {"listener 40001 127.0.0.1\n", "max_inflight_messages 0\n", "max_queued_messages 0\n",
        "max_queued_bytes 536870912\n", "set_tcp_nodelay true\n", "persistence false\n"}) {
    EXPECT_THAT(config, HasSubstr(line));
  }
  EXPECT_THAT(broker_config({}, 1, "/data", true), HasSubstr("user root\n"));
  BrokerScenario durable;
  durable.persistence = "every_change";
  EXPECT_THAT(broker_config(durable, 1, "/data", false),
              AllOf(HasSubstr("persistence_location /data/\n"),
                    HasSubstr("autosave_on_changes true\nautosave_interval 1\n")));
}

TEST(BrokerUrl, NamesHostPortAndUser) {
  const auto plain = parse_broker_url("mqtt://broker.example", "/tmp/unused");
  EXPECT_EQ(plain.host, "broker.example");
  EXPECT_EQ(plain.port, 1883);
  EXPECT_TRUE(plain.external);
  const auto full = parse_broker_url("mqtt://anna@[::1]:1884/", "/tmp/unused");
  EXPECT_EQ(full.host, "::1");
  EXPECT_EQ(full.port, 1884);
  EXPECT_EQ(full.username, "anna");
  EXPECT_EQ(full.password_file, "");
  for (const char* bad : {"broker:1883", "mqtt://", "mqtt://h:0", "mqtt://h:x", "mqtt://h:70000",
                          "http://h", "mqtt://h/path"}) {
    EXPECT_THROW((void)parse_broker_url(bad, "/tmp/unused"), ConfigError) << bad;
  }
}

TEST(OrderOfRuns, IsSeededAndEachRepetitionHasItsOwn) {
  const std::vector<std::string> labels = {"a", "b", "c", "d", "e"};
  EXPECT_EQ(order_of(labels, 1, 1), order_of(labels, 1, 1));
  EXPECT_NE(order_of(labels, 1, 1), order_of(labels, 1, 2));
  EXPECT_NE(order_of(labels, 1, 1), order_of(labels, 2, 1));
  EXPECT_THAT(order_of(labels, 1, 1), testing::UnorderedElementsAreArray(labels));
}

}  // namespace
}  // namespace spate::lab
