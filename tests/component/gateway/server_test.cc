// SPDX-License-Identifier: Apache-2.0
//
// gateway::Server between a real mosquitto and scripted workers.
#include <cstdlib>

#include "component/gateway/gateway_fixture.h"
#include "spate/base/base64.h"
#include "spate/gateway/gateway_metrics.h"

namespace spate::gateway::test {
namespace {

using ::testing::HasSubstr;

class GatewayServer : public GatewayFixture {};

TEST_F(GatewayServer, AnswersWithCorrelationAndTrace) {
  start();
  auto linear = worker("linear", "linear-1");
  linear->serve();
  Caller caller(loop, broker.port());
  mqtt::Message request = Caller::request("linear", R"({"features":[1,2]})", "r \"1\"");
  request.user_properties.emplace_back("traceparent", "00-abc-def-01");
  request.user_properties.emplace_back("deadline_ms", "5000");
  request.user_properties.emplace_back("priority", "3");
  caller.publish(request);
  ASSERT_TRUE(loop.run_until([&] { return !caller.results.empty(); }));
  const mqtt::Message& result = caller.results[0];
  EXPECT_EQ(result.topic, "reply");
  EXPECT_EQ(result.correlation_data, "c-r \"1\"");
  EXPECT_EQ(result.content_type, "application/json");
  EXPECT_EQ(result.qos, mqtt::Qos::AtLeastOnce);
  ASSERT_NE(result.user_property("traceparent"), nullptr);
  EXPECT_EQ(*result.user_property("traceparent"), "00-abc-def-01");
  const auto json = caller.result(0);
  EXPECT_EQ(json["id"], "r \"1\"");
  EXPECT_EQ(json["model"], "linear");
  EXPECT_EQ(json["variant"], "test");
  EXPECT_EQ(json["bytes"], 18);
  EXPECT_EQ(json["service_ms"], 1.0);
  EXPECT_GE(json["queue_ms"], 0.0);
  ASSERT_TRUE(loop.run_until([&] {
    return server->stats("linear").ended[static_cast<std::size_t>(Outcome::Answered)] == 1;
  }));
  ASSERT_TRUE(loop.run_until([&] { return server->stats("linear").latency.count() == 1; }));
  EXPECT_EQ(server->stats("linear").arrived, 1U);
  EXPECT_EQ(server->stats("linear").service_sum, 1ms);
  EXPECT_TRUE(has_event(WorkerEvent::Kind::FirstAnswer));
}

TEST_F(GatewayServer, WithoutAResponseTopicTheModelsResultTopicIsUsed) {
  start();
  auto linear = worker("linear", "linear-1");
  linear->serve();
  Caller caller(loop, broker.port());
  mqtt::Message request = Caller::request("linear", "{}", "x");
  request.response_topic.clear();
  request.qos = mqtt::Qos::AtMostOnce;
  caller.publish(request);
  ASSERT_TRUE(loop.run_until([&] { return !caller.results.empty(); }));
  EXPECT_EQ(caller.results[0].topic, "spate/v1/result/linear");
  EXPECT_EQ(caller.results[0].qos, mqtt::Qos::AtMostOnce);
}

TEST_F(GatewayServer, BadInputIsAnsweredWithTheReason) {
  config.models[0].max_payload_bytes = 100;
  start();
  auto linear = worker("linear", "linear-1");
  Caller caller(loop, broker.port());
  caller.ask("linear", "", "empty");
  caller.ask("linear", std::string(101, 'x'), "large");
  mqtt::Message request = Caller::request("linear", "{}", "deadline");
  request.user_properties.emplace_back("deadline_ms", "soon");
  caller.publish(request);
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 3; }));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(caller.result(i)["error"], "bad_input");
  EXPECT_THAT(caller.result(0)["message"], HasSubstr("empty"));
  EXPECT_THAT(caller.result(1)["message"], HasSubstr("at most 100"));
  EXPECT_THAT(caller.result(2)["message"], HasSubstr("deadline_ms"));
  EXPECT_TRUE(linear->batches().empty());

  caller.ask("linear", "not json", "worker says");
  ASSERT_TRUE(loop.run_until([&] { return linear->batches().size() == 1; }));
  linear->answer(linear->batches()[0], wire::ItemCode::BadInput, "no JSON at byte 0");
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 4; }));
  EXPECT_EQ(caller.result(3)["error"], "bad_input");
  EXPECT_EQ(caller.result(3)["message"], "no JSON at byte 0");
  EXPECT_EQ(server->stats("linear").ended[static_cast<std::size_t>(Outcome::BadInput)], 4U);
}

TEST_F(GatewayServer, AnUnknownModelIsAnsweredExactlyOnceAndAKnownOneNotTwice) {
  start();
  auto linear = worker("linear", "linear-1");
  linear->serve();
  Caller caller(loop, broker.port());
  caller.ask("nonsuch", "{}", "u");
  for (int i = 0; i < 20; ++i) caller.ask("linear", "{}", "k" + std::to_string(i));
  caller.ask("deep/er", "{}", "d");
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 22; }));
  loop.run_until([&] { return caller.results.size() > 22; }, std::chrono::seconds(0));
  EXPECT_EQ(caller.count("u"), 1U);
  EXPECT_EQ(caller.count("d"), 1U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(caller.count("k" + std::to_string(i)), 1U);
  for (std::size_t i = 0; i < caller.results.size(); ++i) {
    if (caller.results[i].correlation_data != "c-u") continue;
    EXPECT_EQ(caller.result(i)["error"], "unknown_model");
    EXPECT_EQ(caller.result(i)["model"], "nonsuch");
    EXPECT_THAT(caller.result(i)["message"], HasSubstr("linear, resnet50"));
  }
  EXPECT_EQ(server->server_stats().unknown_model, 2U);
}

TEST_F(GatewayServer, ADeadWorkersRequestIsAnsweredByAnother) {
  start();
  auto first = worker("linear", "linear-1");
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "a");
  ASSERT_TRUE(loop.run_until([&] { return first->batches().size() == 1; }));
  first->kill();
  ASSERT_TRUE(loop.run_until([&] { return has_event(WorkerEvent::Kind::Gone); }));
  EXPECT_TRUE(caller.results.empty());
  auto second = worker("linear", "linear-2");
  second->serve();
  ASSERT_TRUE(loop.run_until([&] { return !caller.results.empty(); }));
  EXPECT_EQ(caller.result(0)["bytes"], 2);
  EXPECT_EQ(server->stats("linear").redispatched, 1U);
}

TEST_F(GatewayServer, GivesUpWithModelFailedAfterMaxAttempts) {
  config.models[0].max_attempts = 2;
  start();
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "poison");
  for (const char* replica : {"linear-1", "linear-2"}) {
    EXPECT_TRUE(caller.results.empty());
    auto dying = worker("linear", replica);
    ASSERT_TRUE(loop.run_until([&] { return dying->batches().size() == 1; }));
  }
  ASSERT_TRUE(loop.run_until([&] { return !caller.results.empty(); }));
  EXPECT_EQ(caller.result(0)["error"], "model_failed");
}

TEST_F(GatewayServer, AHungWorkersRequestGoesToAnotherAndItsLateAnswerIsIgnored) {
  config.models[0].attempt_timeout = 200ms;
  start();
  auto hung = worker("linear", "linear-1");
  hung->answer_pings(false);
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "a");
  ASSERT_TRUE(loop.run_until([&] { return hung->batches().size() == 1; }));
  auto other = worker("linear", "linear-2");
  other->serve();
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 1; }));
  EXPECT_GE(hung->got<wire::Ping>(), 1U);
  hung->answer(hung->batches()[0], wire::ItemCode::Ok, "\"late\":true");
  ASSERT_TRUE(loop.run_until([&] { return server->server_stats().late_answers == 1; }));
  EXPECT_EQ(caller.results.size(), 1U);
  EXPECT_FALSE(caller.result(0).contains("late"));
}

TEST_F(GatewayServer, ARequestExpiresWithoutAWorker) {
  start();
  Caller caller(loop, broker.port());
  mqtt::Message request = Caller::request("linear", "{}", "e");
  request.user_properties.emplace_back("deadline_ms", "50");
  caller.publish(request);
  ASSERT_TRUE(loop.run_until([&] { return !caller.results.empty(); }));
  EXPECT_EQ(caller.result(0)["error"], "expired");
}

TEST_F(GatewayServer, ClocksThatDisagreeAreCountedAndTheDeadlineRunsFromReceipt) {
  start();
  auto linear = worker("linear", "linear-1");
  linear->serve();
  Caller caller(loop, broker.port());
  mqtt::Message request = Caller::request("linear", "{}", "skewed");
  request.user_properties.emplace_back("deadline_ms", "5000");
  request.user_properties.emplace_back("sent_unix_us", "1000000");  // 1970
  caller.publish(request);
  ASSERT_TRUE(loop.run_until([&] { return !caller.results.empty(); }));
  EXPECT_TRUE(caller.result(0).contains("bytes"));
  EXPECT_EQ(server->server_stats().clock_disagreements, 1U);
}

TEST_F(GatewayServer, AFullQueueAnswersOverloaded) {
  config.models[0].max_queue_messages = 2;
  start();
  Caller caller(loop, broker.port());
  for (int i = 0; i < 3; ++i) caller.ask("linear", "{}", std::to_string(i));
  ASSERT_TRUE(loop.run_until([&] { return !caller.results.empty(); }));
  EXPECT_EQ(caller.result(0)["error"], "overloaded");
  EXPECT_EQ(caller.results[0].correlation_data, "c-2");
}

TEST_F(GatewayServer, BatchesWhatWaits) {
  config.models[0].max_batch = 4;
  start();
  Caller caller(loop, broker.port());
  for (int i = 0; i < 6; ++i) caller.ask("linear", "{}", std::to_string(i));
  ASSERT_TRUE(loop.run_until([&] { return server->stats("linear").queue_length == 6; }));
  auto linear = worker("linear", "linear-1");
  linear->serve();
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 6; }));
  ASSERT_EQ(linear->batches().size(), 2U);
  EXPECT_EQ(linear->batches()[0].items.size(), 4U);
  EXPECT_EQ(linear->batches()[1].items.size(), 2U);
}

// --- workers -----------------------------------------------------------------------------------

TEST_F(GatewayServer, RefusesWorkersThatDoNotBelongHere) {
  start();
  const auto refused = [&](auto&& introduce) {
    ScriptedWorker stranger(loop.io, socket());
    introduce(stranger);
    EXPECT_TRUE(loop.run_until([&] { return stranger.closed(); }));
    return stranger.got<wire::Refused>() == 1 && stranger.got<wire::Registered>() == 0;
  };
  EXPECT_TRUE(refused([](ScriptedWorker& w) { w.register_as("linear", "x", "wrong"); }));
  EXPECT_TRUE(refused([](ScriptedWorker& w) { w.register_as("nonsuch", "x"); }));
  EXPECT_TRUE(refused([](ScriptedWorker& w) { w.register_as("linear", ""); }));
  EXPECT_TRUE(refused([](ScriptedWorker& w) { w.ready(); }));
  EXPECT_EQ(server->server_stats().workers_refused, 4U);
  EXPECT_TRUE(server->workers().empty());
}

TEST_F(GatewayServer, AWorkerThatAnswersNoBatchOfItsIsCutOff) {
  start();
  auto liar = worker("linear", "linear-1");
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "a");
  ASSERT_TRUE(loop.run_until([&] { return liar->batches().size() == 1; }));
  wire::Batch other = liar->batches()[0];
  other.items[0].request_id += 1;
  liar->answer(other, wire::ItemCode::Ok, "");
  ASSERT_TRUE(loop.run_until([&] { return liar->closed(); }));
  auto honest = worker("linear", "linear-2");
  honest->serve();
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 1; }));
}

TEST_F(GatewayServer, AReplicaThatDialsInAgainReplacesItself) {
  start();
  auto before = worker("linear", "linear-1");
  events.clear();
  auto after = std::make_unique<ScriptedWorker>(loop.io, socket());
  after->register_as("linear", "linear-1");
  ASSERT_TRUE(loop.run_until([&] { return before->closed(); }));
  ASSERT_TRUE(loop.run_until([&] { return after->got<wire::Registered>() == 1; }));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].kind, WorkerEvent::Kind::Gone);
  EXPECT_EQ(events[1].kind, WorkerEvent::Kind::Registered);
  EXPECT_EQ(server->workers().size(), 1U);
}

TEST_F(GatewayServer, DrainFromTheGatewayLosesNothing) {
  start();
  auto leaving = worker("linear", "linear-1");
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "a");
  ASSERT_TRUE(loop.run_until([&] { return leaving->batches().size() == 1; }));
  server->drain("linear-1");
  server->drain("no such replica");
  ASSERT_TRUE(loop.run_until([&] { return leaving->got<wire::Drain>() == 1; }));
  caller.ask("linear", "{}", "b");
  ASSERT_TRUE(loop.run_until([&] { return server->stats("linear").queue_length == 1; }));
  leaving->answer(leaving->batches()[0], wire::ItemCode::Ok, "\"by\":1");
  leaving->send(wire::Goodbye{});
  ASSERT_TRUE(loop.run_until([&] { return caller.count("a") == 1; }));
  ASSERT_TRUE(loop.run_until([&] { return has_event(WorkerEvent::Kind::Gone); }));
  EXPECT_TRUE(has_event(WorkerEvent::Kind::Draining));
  EXPECT_EQ(leaving->batches().size(), 1U);
  auto next = worker("linear", "linear-2");
  next->serve();
  ASSERT_TRUE(loop.run_until([&] { return caller.count("b") == 1; }));
  EXPECT_EQ(server->stats("linear").redispatched, 0U);
}

TEST_F(GatewayServer, DrainFromTheWorkerIsAnsweredWithDrainAfterWhichNoBatchComes) {
  start();
  auto leaving = worker("linear", "linear-1", 2);
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "a");
  ASSERT_TRUE(loop.run_until([&] { return leaving->batches().size() == 1; }));
  leaving->send(wire::Draining{});
  ASSERT_TRUE(loop.run_until([&] { return leaving->got<wire::Drain>() == 1; }));
  caller.ask("linear", "{}", "b");
  ASSERT_TRUE(loop.run_until([&] { return server->stats("linear").queue_length == 1; }));
  EXPECT_EQ(leaving->batches().size(), 1U);
  EXPECT_EQ(server->workers().at(0).state, scaling::ReplicaState::Draining);
}

TEST_F(GatewayServer, AnnouncesTheCpuLimit) {
  start();
  auto linear = worker("linear", "linear-1");
  server->announce_cpu_limit("linear-1", 0.3, true);
  ASSERT_TRUE(loop.run_until([&] { return linear->got<wire::CpuLimit>() == 1; }));
  const auto& limit = std::get<wire::CpuLimit>(linear->others().back());
  EXPECT_EQ(limit.cpus, 0.3);
  EXPECT_TRUE(limit.duty_cycle);
  EXPECT_EQ(server->workers().at(0).cpu_limit, 0.3);
  EXPECT_EQ(server->workers().at(0).load, 12ms);
}

TEST_F(GatewayServer, AWorkerThatGivesNoSignOfLifeIsGone) {
  config.heartbeat_timeout = 1s;
  start();
  auto silent = worker("linear", "linear-1");
  silent->answer_pings(false);
  auto alive = worker("linear", "linear-2");
  ASSERT_TRUE(loop.run_until([&] { return has_event(WorkerEvent::Kind::Gone); }));
  ASSERT_EQ(server->workers().size(), 1U);
  EXPECT_EQ(server->workers()[0].replica_id, "linear-2");
}

TEST_F(GatewayServer, AParkedWorkerMayBeSilentAndServesAgainWithoutRegisteringAnew) {
  config.heartbeat_timeout = 1s;
  start();
  auto parked = worker("linear", "linear-1");
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "a");
  ASSERT_TRUE(loop.run_until([&] { return parked->batches().size() == 1; }));
  server->park("linear-1");
  EXPECT_EQ(server->workers().at(0).state, scaling::ReplicaState::Parked);
  EXPECT_FALSE(has_event(WorkerEvent::Kind::Idle)) << "it still has work";
  parked->answer(parked->batches()[0], wire::ItemCode::Ok, "\"by\":1");
  ASSERT_TRUE(loop.run_until([&] { return has_event(WorkerEvent::Kind::Idle); }));
  ASSERT_TRUE(loop.run_until([&] { return caller.count("a") == 1; }));
  parked->answer_pings(false);
  auto silent = worker("linear", "linear-2");
  silent->answer_pings(false);
  ASSERT_TRUE(loop.run_until([&] { return has_event(WorkerEvent::Kind::Gone); }));
  ASSERT_EQ(server->workers().size(), 1U) << "only the silent worker that is not parked is gone";
  EXPECT_EQ(server->workers()[0].replica_id, "linear-1");
  caller.ask("linear", "{}", "b");
  ASSERT_TRUE(loop.run_until([&] { return server->stats("linear").queue_length == 1; }));
  events.clear();
  parked->answer_pings(true);
  server->unpark("linear-1");
  EXPECT_EQ(server->workers()[0].state, scaling::ReplicaState::Ready);
  ASSERT_TRUE(loop.run_until([&] { return parked->batches().size() == 2; }));
  parked->answer(parked->batches()[1], wire::ItemCode::Ok, "\"by\":1");
  ASSERT_TRUE(loop.run_until([&] { return caller.count("b") == 1; }));
  EXPECT_TRUE(has_event(WorkerEvent::Kind::FirstAnswer)) << "its first since it was unparked";
  EXPECT_FALSE(has_event(WorkerEvent::Kind::Registered));
}

TEST_F(GatewayServer, OnlyAReadyWorkerIsParkedAndAParkedOneCanBeDrained) {
  start();
  ScriptedWorker loading(loop.io, socket());
  loading.register_as("linear", "linear-1");
  ASSERT_TRUE(loop.run_until([&] { return server->workers().size() == 1; }));
  server->park("linear-1");
  server->park("no such replica");
  server->unpark("no such replica");
  EXPECT_EQ(server->workers()[0].state, scaling::ReplicaState::Starting);
  auto parked = worker("linear", "linear-2");
  server->park("linear-2");
  server->drain("linear-2");
  ASSERT_TRUE(loop.run_until([&] { return parked->got<wire::Drain>() == 1; }));
  server->unpark("linear-2");
  EXPECT_EQ(server->workers()[1].state, scaling::ReplicaState::Draining);
}

TEST_F(GatewayServer, AStrangerThatSendsNoFrameIsCutOff) {
  start();
  ScriptedWorker stranger(loop.io, socket());
  stranger.send_bytes("GET / HTTP/1.1\r\n\r\n");
  ASSERT_TRUE(loop.run_until([&] { return stranger.closed(); }));
}

TEST_F(GatewayServer, MetricsFollowWhatHappens) {
  telemetry::Metrics metrics;
  start();
  GatewayMetrics gateway_metrics(metrics, *server);
  server->set_end_handler([&](std::string_view model, Outcome outcome, Duration latency) {
    gateway_metrics.on_end(model, outcome, latency);
  });
  auto linear = worker("linear", "linear-1");
  linear->serve();
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "a");
  caller.ask("linear", "", "b");
  caller.ask("resnet50", "x", "c");
  ASSERT_TRUE(loop.run_until([&] {
    return server->stats("linear").latency.count() == 1 && caller.results.size() == 2 &&
           server->stats("resnet50").queue_length == 1;
  }));
  gateway_metrics.update();
  const std::string text = metrics.text();
  for (const char* line :
       {R"(spate_requests_total{model="linear",outcome="answered"} 1)",
        R"(spate_requests_total{model="linear",outcome="bad_input"} 1)",
        R"(spate_request_latency_seconds_count{model="linear"} 1)",
        R"(spate_queue_length{model="resnet50"} 1)", R"(spate_in_flight{model="linear"} 0)",
        R"(spate_queue_bytes{model="resnet50"} 1)"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

// --- single-topic mode -------------------------------------------------------------------------

class SingleTopic : public GatewayFixture {
 protected:
  SingleTopic() {
    config.single_topic = "data_influx";
    config.models[1].name = "xgboost";
    config.models.emplace_back();
    config.models[2].name = "resnet50";
  }
  // As existing senders do: a client of another make.
  void publish(const std::string& json) {
    const std::string program = spate::test::find_program("mosquitto_pub", "mosquitto-clients");
    const std::filesystem::path file = folder / "message.json";
    std::ofstream(file) << json;
    const std::string command = program + " -V mqttv5 -p " + std::to_string(broker.port()) +
                                " -t data_influx -q 1 -f " + file.string();
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
};

TEST_F(SingleTopic, EachTypeGoesToItsModel) {
  start();
  auto linear = worker("linear", "linear-1");
  auto xgboost = worker("xgboost", "xgboost-1");
  auto resnet50 = worker("resnet50", "resnet50-1");
  for (auto* each : {&linear, &xgboost, &resnet50}) (*each)->serve();
  Caller caller(loop, broker.port());
  publish(R"({"type":"numeric","data":[6.5, 4.9],"id":"n1"})");
  publish(R"({"type":"classification","features":{"ph":3.5}})");
  const std::string jpeg = "\xff\xd8\xff\xe0 not a whole image";
  publish(R"({"type":"image","data":")" + base64_encode(jpeg) + R"("})");
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 3; }));
  ASSERT_EQ(linear->batches().size(), 1U);
  EXPECT_EQ(linear->batches()[0].items[0].payload, R"({"features":[6.5,4.9]})");
  ASSERT_EQ(xgboost->batches().size(), 1U);
  EXPECT_EQ(xgboost->batches()[0].items[0].payload, R"({"features":{"ph":3.5}})");
  ASSERT_EQ(resnet50->batches().size(), 1U);
  EXPECT_EQ(resnet50->batches()[0].items[0].payload, jpeg);
  EXPECT_EQ(resnet50->batches()[0].items[0].content_type, "image/jpeg");
  for (const mqtt::Message& result : caller.results) {
    if (result.topic != "spate/v1/result/linear") continue;
    EXPECT_EQ(nlohmann::json::parse(result.payload)["id"], "n1");
  }
  EXPECT_EQ(server->server_stats().single_topic_messages, 3U);
}

TEST_F(SingleTopic, WhatCannotBeReadIsAnswered) {
  start();
  Caller caller(loop, broker.port());
  publish("not json");
  publish(R"({"type":"video","data":[]})");
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 2; }));
  EXPECT_EQ(caller.results[0].topic, "spate/v1/result/data_influx");
  EXPECT_EQ(caller.result(0)["error"], "bad_input");
  EXPECT_THAT(caller.result(1)["message"], HasSubstr("classification"));
  EXPECT_EQ(server->server_stats().single_topic_bad, 2U);
}

}  // namespace
}  // namespace spate::gateway::test
