// SPDX-License-Identifier: Apache-2.0
//
// Client against a real mosquitto.
#include "spate/mqtt/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "testing/broker_fixture.h"
#include "testing/loop.h"

namespace spate::mqtt {
namespace {

using test::BrokerFixture;
using test::Loop;
using ::testing::HasSubstr;

// A client that writes down what happens to it.
struct Recorder {
  struct Received {
    Message message;
    AckHandle handle;
  };

  Recorder(Loop& loop, ClientOptions options, bool acknowledge = true)
      : client(loop.io, loop.clock, std::move(options),
               {.on_connected = [this](bool again) { connects.push_back(again); },
                .on_disconnected =
                    [this](const Error& why, Duration retry_in) {
                      errors.push_back(why);
                      retries.push_back(retry_in);
                    },
                .on_message =
                    [this, acknowledge](Message&& message, AckHandle handle) {
                      received.push_back({std::move(message), handle});
                      if (acknowledge && handle != AckHandle::None) client.ack(handle);
                    },
                .on_subscribed =
                    [this](const Subscription&, Status outcome) {
                      subscribed.push_back(std::move(outcome));
                    }}) {}

  std::vector<bool> connects;  // resumed?
  std::vector<Error> errors;
  std::vector<Duration> retries;
  std::vector<Received> received;
  std::vector<Status> subscribed;
  Client client;  // last: its handlers use the rest
};

ClientOptions options_for(const BrokerFixture& broker, const std::string& id) {
  ClientOptions options;
  options.port = broker.port();
  options.client_id = id;
  return options;
}

TEST(Client, EveryPropertyComesBackUnchanged) {
  BrokerFixture broker;
  Loop loop;
  Recorder recorder(loop, options_for(broker, "echo"));
  recorder.client.subscribe({"a/+"});
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !recorder.subscribed.empty(); }));
  ASSERT_TRUE(recorder.subscribed[0]);

  Message message;
  message.topic = "a/b";
  message.payload = std::string("\0binary\xff", 8);
  message.content_type = "application/json";
  message.response_topic = "reply/here";
  message.correlation_data = std::string("\0\1\2", 3);
  message.expiry_s = 60;
  message.user_properties = {{"k", "1"}, {"k", "2"}, {"ünï", "cödé"}};
  std::vector<ReasonCode> done;
  ASSERT_TRUE(recorder.client.publish(message, [&](ReasonCode code) { done.push_back(code); }));
  ASSERT_TRUE(loop.run_until([&] { return recorder.received.size() == 1 && done.size() == 1; }));

  const Message& back = recorder.received[0].message;
  EXPECT_EQ(done[0], ReasonCode::Success);
  EXPECT_EQ(back.topic, message.topic);
  EXPECT_EQ(back.payload, message.payload);
  EXPECT_EQ(back.qos, Qos::AtLeastOnce);
  EXPECT_FALSE(back.duplicate);
  EXPECT_EQ(back.content_type, message.content_type);
  EXPECT_EQ(back.response_topic, message.response_topic);
  EXPECT_EQ(back.correlation_data, message.correlation_data);
  EXPECT_EQ(back.user_properties, message.user_properties);
  ASSERT_TRUE(back.expiry_s);
  EXPECT_LE(*back.expiry_s, 60U);
  EXPECT_NE(recorder.received[0].handle, AckHandle::None);
}

}  // namespace
}  // namespace spate::mqtt
