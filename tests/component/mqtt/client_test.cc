// SPDX-License-Identifier: Apache-2.0
//
// Client against a real mosquitto, nothing going wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "component/mqtt/recorder.h"

namespace spate::mqtt {
namespace {

using test::BrokerFixture;
using test::Loop;
using test::options_for;
using test::Recorder;
using ::testing::HasSubstr;

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

TEST(Client, Qos0AndRetainedMessagesWork) {
  BrokerFixture broker;
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"));
  recorder.client.subscribe({"zero", Qos::AtMostOnce});
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !recorder.subscribed.empty(); }));
  Message message;
  message.topic = "zero";
  message.qos = Qos::AtMostOnce;
  message.payload = "x";
  ASSERT_TRUE(recorder.client.publish(message));
  message.topic = "kept";
  message.retain = true;
  message.qos = Qos::AtLeastOnce;
  bool stored = false;
  ASSERT_TRUE(recorder.client.publish(message, [&](ReasonCode) { stored = true; }));
  ASSERT_TRUE(loop.run_until([&] { return stored && recorder.received.size() == 1; }));
  EXPECT_EQ(recorder.received[0].handle, AckHandle::None);
  recorder.client.subscribe({"kept"});
  ASSERT_TRUE(loop.run_until([&] { return recorder.received.size() == 2; }));
  EXPECT_TRUE(recorder.received[1].message.retain);
}

TEST(Client, PublishesOfOneTurnAllArriveInOrder) {
  BrokerFixture broker;
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"));
  recorder.client.subscribe({"t"});
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !recorder.subscribed.empty(); }));
  constexpr int kMessages = 2000;
  int acknowledged = 0;
  for (int i = 0; i < kMessages; ++i) {
    Message message;
    message.topic = "t";
    message.payload = std::to_string(i);
    ASSERT_TRUE(recorder.client.publish(std::move(message), [&](ReasonCode) { ++acknowledged; }));
  }
  ASSERT_TRUE(loop.run_until(
      [&] { return recorder.received.size() == kMessages && acknowledged == kMessages; }));
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_EQ(recorder.received[static_cast<std::size_t>(i)].message.payload, std::to_string(i));
  }
  EXPECT_EQ(recorder.client.stats().outbox_messages, 0U);
  EXPECT_EQ(recorder.client.stats().unacknowledged_in, 0U);
  EXPECT_EQ(recorder.client.broker_receive_maximum(), 20) << "mosquitto's default";
}

TEST(Client, FiveMegabytesGoThereAndBack) {
  BrokerFixture broker;
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"));
  recorder.client.subscribe({"big"});
  recorder.client.start();
  std::string payload(5 << 20, '\0');
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i * 31 >> 3);
  for (int i = 0; i < 4; ++i) {
    Message message;
    message.topic = "big";
    message.payload = payload + std::to_string(i);
    ASSERT_TRUE(recorder.client.publish(std::move(message)));
  }
  ASSERT_TRUE(loop.run_until([&] {
    return recorder.received.size() == 4 && recorder.client.stats().outbox_messages == 0;
  }));
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(recorder.received[static_cast<std::size_t>(i)].message.payload ==
                payload + std::to_string(i));
  }
  EXPECT_EQ(recorder.client.stats().connects, 1U);
}

// The sockets of this process that are connected to `port`.
std::vector<int> sockets_to(std::uint16_t port) {
  std::vector<int> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int descriptor = std::stoi(entry.path().filename().string());
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    if (peer.sin_family == AF_INET && ntohs(peer.sin_port) == port) found.push_back(descriptor);
  }
  return found;
}

// Without TCP_NODELAY the PUBACK of one round trip and the PUBLISH of the next are small writes
// in a row, and the second waits 40 ms for the other side's delayed acknowledgement. That would
// be a time limit, so the option itself is looked at, and round trips are counted.
TEST(Client, EveryLinkIsWithoutDelay) {
  BrokerFixture broker;
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"));
  recorder.client.subscribe({"t"});
  recorder.client.start();
  for (std::size_t connects = 1; connects <= 2; ++connects) {
    ASSERT_TRUE(loop.run_until([&] { return recorder.subscribed.size() == connects; }));
    const std::vector<int> sockets = sockets_to(broker.port());
    ASSERT_EQ(sockets.size(), 1U);
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    ASSERT_EQ(::getsockopt(sockets[0], IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    EXPECT_NE(no_delay, 0);
    if (connects == 1) broker.restart();
  }
  for (std::size_t round = 1; round <= 300; ++round) {
    ASSERT_TRUE(recorder.client.publish({.topic = "t"}));
    ASSERT_TRUE(loop.run_until([&] { return recorder.received.size() == round; })) << round;
  }
}

// --- the end of a client ------------------------------------------------------------------------

TEST(Client, NothingIsCalledAfterStopEvenFromInsideAHandler) {
  BrokerFixture broker;
  Loop loop;
  std::unique_ptr<Client> client;
  int messages = 0;
  client = std::make_unique<Client>(loop.io, loop.clock, options_for(broker, "me"),
                                    ClientHandlers{.on_message = [&](Message&&, AckHandle) {
                                      ++messages;
                                      client.reset();  // in the middle of a batch
                                    }});
  client->subscribe({"t"});
  client->start();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(client->publish({.topic = "t"}));
  ASSERT_TRUE(loop.run_until([&] { return client == nullptr; }));
  Recorder other(loop, options_for(broker, "other"));
  other.client.start();
  ASSERT_TRUE(loop.run_until([&] { return other.client.connected(); }));
  EXPECT_EQ(messages, 1);
}

TEST(Client, StopEndsTheLoopsWork) {
  BrokerFixture broker;
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"));
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return recorder.client.connected(); }));
  recorder.client.stop();
  loop.io.restart();
  loop.io.run();  // returns when the broker has closed its side too
  EXPECT_THAT(broker.log(), HasSubstr("Client me disconnected."));
}

}  // namespace
}  // namespace spate::mqtt
