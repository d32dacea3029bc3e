// SPDX-License-Identifier: Apache-2.0
//
// Acknowledgement under the application's control, with a real mosquitto.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "component/mqtt/recorder.h"

namespace spate::mqtt {
namespace {

using test::BrokerFixture;
using test::Loop;
using test::options_for;
using test::publish_numbers;
using test::Recorder;

// What the broker still holds for `id`: a fresh client of that identifier gets it delivered.
std::vector<std::string> left_for(Loop& loop, const BrokerFixture& broker, const std::string& id) {
  Recorder heir(loop, options_for(broker, id));
  heir.client.subscribe({"end"});
  heir.client.start();
  EXPECT_TRUE(loop.run_until([&] { return !heir.subscribed.empty(); }));
  Message end;  // comes after everything that is left
  end.topic = "end";
  EXPECT_TRUE(heir.client.publish(std::move(end)));
  EXPECT_TRUE(loop.run_until(
      [&] { return !heir.received.empty() && heir.received.back().message.topic == "end"; }));
  std::vector<std::string> payloads;
  for (const auto& received : heir.received) {
    if (received.message.topic == "end") continue;
    EXPECT_TRUE(received.message.duplicate) << received.message.payload;
    payloads.push_back(received.message.payload);
  }
  // Its acknowledgements must be out before it goes.
  EXPECT_TRUE(loop.run_until([&] { return heir.client.stats().unacknowledged_in == 0; }));
  return payloads;
}

TEST(LateAck, WhatIsNotAcknowledgedStaysWithTheBroker) {
  BrokerFixture broker;
  Loop loop;
  {
    Recorder recorder(loop, options_for(broker, "keeper"), false);
    recorder.client.subscribe({"t"});
    recorder.client.start();
    ASSERT_TRUE(loop.run_until([&] { return !recorder.subscribed.empty(); }));
    publish_numbers(recorder, "t", 5);
    ASSERT_TRUE(loop.run_until([&] {
      return recorder.received.size() == 5 && recorder.client.stats().outbox_messages == 0;
    }));
    // 0 and 1 are acknowledged, 3 too but held back by 2.
    recorder.client.ack(recorder.received[3].handle);
    recorder.client.ack(recorder.received[1].handle);
    recorder.client.ack(recorder.received[0].handle);
    recorder.client.stop();
    loop.settle();
  }
  EXPECT_THAT(left_for(loop, broker, "keeper"), ::testing::ElementsAre("2", "3", "4"));
  EXPECT_THAT(left_for(loop, broker, "keeper"), ::testing::IsEmpty());
}

TEST(LateAck, TheBrokerHoldsBackBeyondTheReceiveMaximum) {
  BrokerFixture broker;
  Loop loop;
  ClientOptions options = options_for(broker, "slow");
  options.receive_maximum = 3;
  Recorder slow(loop, options, false);
  slow.client.subscribe({"t"});
  slow.client.start();
  Recorder sender(loop, options_for(broker, "sender"));
  sender.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !slow.subscribed.empty(); }));
  publish_numbers(sender, "t", 10);
  ASSERT_TRUE(loop.run_until(
      [&] { return slow.received.size() >= 3 && sender.client.stats().outbox_messages == 0; }));
  // A round trip on the same connection shows that nothing more is on its way.
  bool answered = false;
  Message ping;
  ping.topic = "elsewhere";
  ASSERT_TRUE(slow.client.publish(std::move(ping), [&](ReasonCode) { answered = true; }));
  ASSERT_TRUE(loop.run_until([&] { return answered; }));
  EXPECT_EQ(slow.received.size(), 3U);
  // mosquitto before 2.0.13 now sends more than 3 at a time; all of it is taken.
  for (std::size_t next = 0; next < 10; ++next) {
    ASSERT_TRUE(loop.run_until([&] { return slow.received.size() > next; })) << next;
    slow.client.ack(slow.received[next].handle);
  }
  ASSERT_TRUE(loop.run_until([&] { return slow.received.size() == 10; }));
  EXPECT_EQ(slow.client.stats().connects, 1U);
}

TEST(LateAck, AfterAReconnectOpenMessagesKeepTheirHandles) {
  BrokerFixture broker({.persistence = true});
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"), false);
  recorder.client.subscribe({"t"});
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !recorder.subscribed.empty(); }));
  publish_numbers(recorder, "t", 6);
  ASSERT_TRUE(loop.run_until([&] {
    return recorder.received.size() == 6 && recorder.client.stats().outbox_messages == 0;
  }));
  recorder.client.ack(recorder.received[0].handle);
  loop.settle();
  broker.restart(SIGTERM);
  ASSERT_TRUE(loop.run_until([&] { return recorder.connects.size() == 2; }));
  EXPECT_TRUE(recorder.connects[1]) << "the session was kept";
  ASSERT_TRUE(loop.run_until([&] { return recorder.client.stats().redelivered_in >= 5; }));
  for (std::size_t i = 5; i >= 1; --i) recorder.client.ack(recorder.received[i].handle);
  publish_numbers(recorder, "t", 1);
  ASSERT_TRUE(loop.run_until([&] { return recorder.received.size() == 7; }));
  recorder.client.ack(recorder.received[6].handle);
  EXPECT_EQ(recorder.client.stats().redelivered_in, 5U);
  recorder.client.stop();
  EXPECT_THAT(left_for(loop, broker, "me"), ::testing::IsEmpty());
}

}  // namespace
}  // namespace spate::mqtt
