// SPDX-License-Identifier: Apache-2.0
//
// Client and the clients of mosquitto: each property once in each direction.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "spate/mqtt/client.h"
#include "testing/broker_fixture.h"
#include "testing/loop.h"

namespace spate::mqtt {
namespace {

using spate::test::BrokerFixture;
using spate::test::Loop;

std::string command(const char* program, const BrokerFixture& broker, const std::string& rest) {
  return std::string(program) + " -V mqttv5 -h 127.0.0.1 -p " + std::to_string(broker.port()) +
         " " + rest;
}

TEST(Foreign, MosquittoPubIsUnderstood) {
  BrokerFixture broker;
  Loop loop;
  std::vector<Message> received;
  bool subscribed = false;
  ClientOptions options;
  options.port = broker.port();
  options.client_id = "me";
  Client client(loop.io, loop.clock, options,
                {.on_message =
                     [&](Message&& message, AckHandle handle) {
                       received.push_back(std::move(message));
                       client.ack(handle);
                     },
                 .on_subscribed = [&](const Subscription&, Status) { subscribed = true; }});
  client.subscribe({"in/#"});
  client.start();
  ASSERT_TRUE(loop.run_until([&] { return subscribed; }));
  const std::string publish = command(
      "mosquitto_pub", broker,
      "-q 1 -t in/put -m hello -D publish content-type text/plain -D publish response-topic re/ply"
      " -D publish correlation-data abc -D publish message-expiry-interval 100"
      " -D publish payload-format-indicator 1 -D publish user-property deadline_ms 250"
      " -D publish user-property id 'a b'");
  ASSERT_EQ(std::system(publish.c_str()), 0);
  ASSERT_TRUE(loop.run_until([&] { return received.size() == 1; }));
  const Message& message = received[0];
  EXPECT_EQ(message.topic, "in/put");
  EXPECT_EQ(message.payload, "hello");
  EXPECT_EQ(message.qos, Qos::AtLeastOnce);
  EXPECT_EQ(message.content_type, "text/plain");
  EXPECT_EQ(message.response_topic, "re/ply");
  EXPECT_EQ(message.correlation_data, "abc");
  ASSERT_TRUE(message.expiry_s);
  EXPECT_LE(*message.expiry_s, 100U);
  ASSERT_NE(message.user_property("deadline_ms"), nullptr);
  EXPECT_EQ(*message.user_property("deadline_ms"), "250");
  EXPECT_EQ(*message.user_property("id"), "a b");
}

TEST(Foreign, MosquittoSubUnderstandsUs) {
  BrokerFixture broker;
  Loop loop;
  // It prints one line and ends. -W bounds a failing test.
  const std::string subscribe =
      command("mosquitto_sub", broker, "-q 1 -t out -C 1 -W 20 -F '%t|%p|%q|%C|%R|%D|%P'");
  FILE* output = ::popen(subscribe.c_str(), "r");
  ASSERT_NE(output, nullptr);
  ClientOptions options;
  options.port = broker.port();
  options.client_id = "me";
  Client client(loop.io, loop.clock, options, {});
  client.start();
  Message message;
  message.topic = "out";
  message.payload = "answer";
  message.content_type = "application/json";
  message.response_topic = "re/ply";
  message.correlation_data = "xyz";
  message.user_properties = {{"id", "7"}};
  // Published until someone has subscribed: PUBACK says whether anyone was there.
  ReasonCode reason = ReasonCode::NoMatchingSubscribers;
  bool waiting = false;
  ASSERT_TRUE(loop.run_until([&] {
    if (reason == ReasonCode::Success) return true;
    if (!waiting && client.connected()) {
      waiting = true;
      EXPECT_TRUE(client.publish(message, [&](ReasonCode code) {
        reason = code;
        waiting = false;
      }));
    }
    return false;
  }));
  std::string line;
  for (int c = 0; (c = std::fgetc(output)) != EOF;) line.push_back(static_cast<char>(c));
  const int status = ::pclose(output);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(line, "out|answer|1|application/json|re/ply|xyz|id:7\n");
}

}  // namespace
}  // namespace spate::mqtt
