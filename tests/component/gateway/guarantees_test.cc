// SPDX-License-Identifier: Apache-2.0
//
// What becomes of requests when the gateway, the broker or both go away: the rows of
// docs/guarantees.md.
#include <csignal>

#include "component/gateway/gateway_fixture.h"

namespace spate::gateway::test {
namespace {

class GatewayGuarantees : public GatewayFixture {};

TEST_F(GatewayGuarantees, AGatewayThatDiesBeforeTheAnswerLosesNothingAtQos1) {
  start();
  auto first = worker("linear", "linear-1");
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "in flight");
  caller.ask("linear", "{}", "waiting");
  ASSERT_TRUE(loop.run_until(
      [&] { return first->batches().size() == 1 && server->stats("linear").queue_length == 1; }));
  kill();
  caller.ask("linear", "{}", "while it was gone");
  ASSERT_TRUE(loop.run_until([&] { return caller.published == 3; }));
  EXPECT_TRUE(caller.results.empty());

  start();  // the same run_id: the broker redelivers
  auto second = worker("linear", "linear-1");
  second->serve();
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 3; }));
  for (const char* id : {"in flight", "waiting", "while it was gone"})
    EXPECT_EQ(caller.count(id), 1U) << id;
}

TEST_F(GatewayGuarantees, AnAnsweredRequestIsNotRedelivered) {
  start();
  auto first = worker("linear", "linear-1");
  first->serve();
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "done");
  ASSERT_TRUE(loop.run_until([&] { return server->stats("linear").latency.count() == 1; }));
  loop.settle();  // the PUBACK leaves
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 1; }));
  kill();
  start();
  auto second = worker("linear", "linear-1");
  second->serve();
  caller.ask("linear", "{}", "next");
  ASSERT_TRUE(loop.run_until([&] { return caller.count("next") == 1; }));
  EXPECT_EQ(caller.count("done"), 1U);
}

TEST_F(GatewayGuarantees, ASlowModelDoesNotHoldUpAFastOne) {
  start();
  auto slow = worker("resnet50", "resnet50-1");  // never answers
  auto fast = worker("linear", "linear-1");
  fast->serve();
  Caller caller(loop, broker.port());
  for (int i = 0; i < 50; ++i) {
    caller.ask("resnet50", "x", "s" + std::to_string(i));
    caller.ask("linear", "{}", "f" + std::to_string(i));
  }
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 50; }));
  EXPECT_EQ(server->stats("linear").ended[static_cast<std::size_t>(Outcome::Answered)], 50U);
}

TEST_F(GatewayGuarantees, ShutDownFinishesWhatWaits) {
  start();
  auto linear = worker("linear", "linear-1");
  Caller caller(loop, broker.port());
  for (int i = 0; i < 3; ++i) caller.ask("linear", "{}", std::to_string(i));
  ASSERT_TRUE(loop.run_until([&] { return server->stats("linear").queue_length == 2; }));
  bool done = false;
  server->shut_down([&] { done = true; });
  linear->serve();
  ASSERT_TRUE(loop.run_until([&] { return done; }));
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 3; }));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(caller.result(i).contains("bytes"));
}

TEST_F(GatewayGuarantees, WhatShutDownCannotFinishIsLeftToTheNextGateway) {
  config.shutdown_grace = 0s;
  start();
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "left");
  mqtt::Message unacknowledged = Caller::request("linear", "{}", "qos0");
  unacknowledged.qos = mqtt::Qos::AtMostOnce;
  caller.publish(unacknowledged);
  ASSERT_TRUE(loop.run_until([&] { return server->stats("linear").queue_length == 2; }));
  bool done = false;
  server->shut_down([&] { done = true; });
  ASSERT_TRUE(loop.run_until([&] { return done; }));
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 1; }));
  EXPECT_EQ(caller.results[0].correlation_data, "c-qos0");
  EXPECT_EQ(caller.result(0)["error"], "shutting_down");
  server.reset();

  start();
  auto linear = worker("linear", "linear-1");
  linear->serve();
  ASSERT_TRUE(loop.run_until([&] { return caller.results.size() == 2; }));
  EXPECT_EQ(caller.results[1].correlation_data, "c-left");
  EXPECT_TRUE(caller.result(1).contains("bytes"));
}

TEST_F(GatewayGuarantees, ABrokerThatLosesItsMemoryLosesNoAcceptedRequest) {
  start();
  auto linear = worker("linear", "linear-1");
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "accepted");
  ASSERT_TRUE(loop.run_until([&] { return linear->batches().size() == 1; }));
  broker.restart(SIGKILL);  // without persistence: sessions and messages are gone
  // A broker without memory drops what nobody is subscribed to yet.
  ASSERT_TRUE(loop.run_until([&] { return caller.subscribed == 4; }));
  linear->serve();
  ASSERT_TRUE(loop.run_until([&] { return caller.count("accepted") >= 1; }));
  ASSERT_TRUE(loop.run_until([&] { return server->healthy(); }));
  caller.ask("linear", "{}", "after");
  ASSERT_TRUE(loop.run_until([&] { return caller.count("after") == 1; }));
  EXPECT_GE(server->server_stats().broker_disconnects, 2U);
}

class PersistentBroker : public GatewayFixture {
 protected:
  PersistentBroker() : GatewayFixture(BrokerOptions{.persistence = true}) {}
};

// Stopped in order, as it writes what it has. Killed, mosquitto 2.0.11 loses what it sent to a
// live gateway after its last save, whatever autosave_on_changes says (docs/guarantees.md).
TEST_F(PersistentBroker, RestartedTogetherWithTheGatewayLosesNothing) {
  start();
  Caller caller(loop, broker.port());
  caller.ask("linear", "{}", "kept");
  ASSERT_TRUE(loop.run_until(
      [&] { return server->stats("linear").queue_length == 1 && caller.published == 1; }));
  kill();
  broker.restart(SIGTERM);
  start();
  auto linear = worker("linear", "linear-1");
  linear->serve();
  ASSERT_TRUE(loop.run_until([&] { return caller.count("kept") == 1; }))
      << "arrived again: " << server->stats("linear").arrived;
}

}  // namespace
}  // namespace spate::gateway::test
