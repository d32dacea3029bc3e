// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/config_error.h"

namespace spate::gateway {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kFull = R"({
 "broker": {"host": "10.0.0.2", "port": 1884, "username": "u", "password_file": "p"},
 "run_id": "demo-1", "run_dir": "var/runs/x", "worker_listen": "unix:/run/x/gateway.sock",
 "token_file": "token", "http": {"host": "127.0.0.1", "port": 0},
 "single_topic": "data_influx",
 "strategy": {"name": "horizontal", "options": {"up": 0.8}},
 "actuator": {"kind": "process", "limits": "auto"},
 "models": [{"name": "resnet50", "path": "var/models/resnet50", "slo_latency_ms": 1000,
   "slo_target": 0.95, "cpu_request": 0.3, "cpu_limit": 0.3, "mode": "throughput", "replicas": 1,
   "min_replicas": 1, "max_replicas": 3, "min_cpu": 0.3, "max_cpu": 0.9, "cpu_ceiling": 0.9,
   "max_batch": 2, "max_delay_ms": 1.5, "max_queue_messages": 10000, "max_queue_bytes": 268435456,
   "max_attempts": 3, "attempt_timeout_ms": 10000, "dispatch": "power_of_two", "scaled": true}]})";

GatewayConfig read(const std::string& text) {
  return read_gateway_config(ConfigReader::from_text(text, "gateway.json"));
}

std::string complaint(const std::string& text) {
  try {
    read(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

std::string with_model(const std::string& settings) {
  return R"({"run_id": "r", "worker_listen": "unix:/s", "token_file": "t", "models": [{)" +
         settings + "}]}";
}

TEST(GatewayConfig, TellsServiceDiscoveryWhatItCannotKnow) {
  const auto with = [](const std::string& settings) {
    return R"({"run_id": "r", "worker_listen": "unix:/s", "token_file": "t", )" + settings +
           R"("models": [{"name": "m", "path": "p"}]})";
  };
  EXPECT_EQ(read(with("")).run_label, "r");
  const GatewayConfig config =
      read(with(R"("run_label": "none-1", "metrics_targets": {"influx": "influx:9101"}, )"));
  EXPECT_EQ(config.run_label, "none-1");
  EXPECT_EQ(config.metrics_targets.at("influx"), "influx:9101");
  for (const char* bad : {"influx", ":1", "influx:", "influx:0", "influx:65536", "http://a:1"}) {
    EXPECT_THAT(complaint(with(R"("metrics_targets": {"influx": ")" + std::string(bad) + "\"}, ")),
                AllOf(HasSubstr("metrics_targets.influx"), HasSubstr("host:port")))
        << bad;
  }
}

TEST(GatewayConfig, ReadsEveryField) {
  const GatewayConfig config = read(kFull);
  EXPECT_EQ(config.broker.host, "10.0.0.2");
  EXPECT_EQ(config.broker.port, 1884);
  EXPECT_EQ(config.run_id, "demo-1");
  EXPECT_EQ(config.single_topic, "data_influx");
  EXPECT_EQ(config.strategy.name, "horizontal");
  EXPECT_THAT(config.strategy.options_json, HasSubstr("0.8"));
  ASSERT_EQ(config.models.size(), 1U);
  const ModelConfig& model = config.models[0];
  EXPECT_EQ(model.slo_latency, 1000ms);
  EXPECT_EQ(model.max_delay, 1500us);
  EXPECT_EQ(model.max_replicas, 3);
  EXPECT_DOUBLE_EQ(model.cpu_ceiling, 0.9);
  EXPECT_EQ(model.attempt_timeout, 10s);
  EXPECT_EQ(model.dispatch, DispatchPolicy::PowerOfTwo);
}

TEST(GatewayConfig, DefaultsFollowFromWhatIsGiven) {
  const GatewayConfig config = read(with_model(R"("name": "m", "replicas": 2, "cpu_limit": 0.4)"));
  const ModelConfig& model = config.models.at(0);
  EXPECT_EQ(model.min_replicas, 2);
  EXPECT_EQ(model.max_replicas, 2);
  EXPECT_DOUBLE_EQ(model.cpu_request, 0.4);
  EXPECT_DOUBLE_EQ(model.cpu_ceiling, 0.8);
  EXPECT_EQ(model.dispatch, DispatchPolicy::LeastOutstanding);
  EXPECT_TRUE(config.single_topic.empty());
  EXPECT_EQ(model.warm_pool, 0);
  EXPECT_EQ(model.max_warm_pool, 2) << "no more than can serve";
}

TEST(GatewayConfig, AWarmPoolStaysWithinItsMaximum) {
  const ModelConfig model =
      read(with_model(R"("name": "m", "warm_pool": 3, "max_warm_pool": 4)")).models.at(0);
  EXPECT_EQ(model.warm_pool, 3);
  EXPECT_EQ(model.max_warm_pool, 4);
  EXPECT_NE(complaint(with_model(R"("name": "m", "warm_pool": 3, "max_warm_pool": 2)"))
                .find("warm_pool is above max_warm_pool"),
            std::string::npos);
  EXPECT_NE(complaint(with_model(R"("name": "m", "warm_pool": 65)")).find("64"), std::string::npos);
}

TEST(GatewayConfig, ComplaintsNameThePlaceAndWhatWasExpected) {
  EXPECT_THAT(complaint(with_model(R"("name": "m", "max_bacth": 3)")),
              AllOf(HasSubstr("gateway.json:1"), HasSubstr("models[0]"), HasSubstr("max_batch")));
  EXPECT_THAT(complaint(with_model(R"("name": "a/b")")), HasSubstr("models[0].name"));
  EXPECT_THAT(complaint(with_model(R"("name": "m", "max_batch": 0)")), HasSubstr("max_batch"));
  EXPECT_THAT(complaint(with_model(R"("name": "m", "dispatch": "random")")),
              HasSubstr("least_outstanding"));
  EXPECT_THAT(complaint(with_model(R"("name": "m"}, {"name": "m")")), HasSubstr("models[1].name"));
  EXPECT_THAT(complaint(with_model(R"("name": "m", "replicas": 3, "max_replicas": 2)")),
              HasSubstr("max_replicas"));
  EXPECT_THAT(
      complaint(with_model(R"("name": "m", "max_queue_bytes": 1000, "max_payload_bytes": 1001)")),
      HasSubstr("max_payload_bytes"));
  EXPECT_THAT(complaint(R"({"run_id": "r", "worker_listen": "/s", "token_file": "t",
                            "models": [{"name": "m"}]})"),
              HasSubstr("unix:/path"));
  EXPECT_THAT(complaint(R"({"run_id": "r", "worker_listen": "unix:/s", "token_file": "t",
                            "models": []})"),
              HasSubstr("at least one model"));
}

TEST(GatewayConfig, ASmallQueueLimitsThePayload) {
  const GatewayConfig config = read(with_model(R"("name": "m", "max_queue_bytes": 1000)"));
  EXPECT_EQ(config.models.at(0).max_payload_bytes, 1000U);
}

TEST(GatewayConfig, SingleTopicRoutesMustExist) {
  const std::string head =
      R"({"run_id": "r", "worker_listen": "unix:/s", "token_file": "t", "single_topic": "data_influx",
          "models": [{"name": "m"}], "single_topic_routes": {"numeric": ")";
  EXPECT_EQ(read(head + "m\"}}").single_topic_routes.numeric, "m");
  EXPECT_THAT(complaint(head + "nope\"}}"), HasSubstr("single_topic_routes.numeric"));
}

}  // namespace
}  // namespace spate::gateway
