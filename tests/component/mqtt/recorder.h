// SPDX-License-Identifier: Apache-2.0
//
// Recorder: a Client that writes down what happens to it, for the component tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "spate/mqtt/client.h"
#include "testing/broker_fixture.h"
#include "testing/loop.h"

namespace spate::mqtt::test {

using spate::test::BrokerFixture;
using spate::test::Loop;

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

inline ClientOptions options_for(const BrokerFixture& broker, const std::string& id) {
  ClientOptions options;
  options.port = broker.port();
  options.client_id = id;
  return options;
}

inline void publish_numbers(Recorder& recorder, const std::string& topic, int count) {
  for (int i = 0; i < count; ++i) {
    Message message;
    message.topic = topic;
    message.payload = std::to_string(i);
    ASSERT_TRUE(recorder.client.publish(std::move(message)));
  }
}

}  // namespace spate::mqtt::test
