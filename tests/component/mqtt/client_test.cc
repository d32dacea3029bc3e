// SPDX-License-Identifier: Apache-2.0
//
// Client against a real mosquitto.
#include "spate/mqtt/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <filesystem>
#include <memory>
#include <set>
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

// --- acknowledgement under the application's control --------------------------------------------

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

void publish_numbers(Recorder& recorder, const std::string& topic, int count) {
  for (int i = 0; i < count; ++i) {
    Message message;
    message.topic = topic;
    message.payload = std::to_string(i);
    ASSERT_TRUE(recorder.client.publish(std::move(message)));
  }
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

// --- faults -------------------------------------------------------------------------------------

// Publishes while the broker is killed and started again; every message must arrive.
void lose_nothing_over_a_restart(int signal_number) {
  BrokerFixture broker({.persistence = true});
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"));
  recorder.client.subscribe({"t"});
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !recorder.subscribed.empty(); }));
  constexpr int kMessages = 300;
  int published = 0;
  int acknowledged = 0;
  const auto publish_more = [&](int count) {
    for (; count > 0; --count) {
      Message message;
      message.topic = "t";
      message.payload = std::to_string(published++);
      ASSERT_TRUE(recorder.client.publish(std::move(message), [&](ReasonCode reason) {
        acknowledged += reason == ReasonCode::Success ? 1 : 0;
      }));
    }
  };
  publish_more(100);
  ASSERT_TRUE(loop.run_until([&] { return acknowledged >= 30; }));
  broker.stop(signal_number);
  publish_more(100);
  ASSERT_TRUE(loop.run_until([&] { return !recorder.errors.empty(); }));
  publish_more(100);
  broker.start();
  const auto distinct = [&] {
    std::set<std::string> payloads;
    for (const auto& received : recorder.received) payloads.insert(received.message.payload);
    return payloads.size();
  };
  EXPECT_TRUE(loop.run_until([&] { return acknowledged == kMessages && distinct() == kMessages; }))
      << acknowledged << " acknowledged, " << distinct() << " received";
  EXPECT_TRUE(recorder.client.connected());
  EXPECT_EQ(recorder.client.stats().disconnects, 1U);
  EXPECT_THAT(recorder.errors[0].message, HasSubstr("127.0.0.1:" + std::to_string(broker.port())));
}

TEST(Faults, ABrokerThatIsRestartedLosesNothing) { lose_nothing_over_a_restart(SIGTERM); }
TEST(Faults, ABrokerThatIsKilledLosesNothingWhenItPersistsEveryChange) {
  lose_nothing_over_a_restart(SIGKILL);
}

TEST(Faults, ABrokerWithoutMemoryGetsSubscriptionsAndPublishesAnew) {
  BrokerFixture broker;
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"), false);
  recorder.client.subscribe({"t"});
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !recorder.subscribed.empty(); }));
  publish_numbers(recorder, "t", 1);
  ASSERT_TRUE(loop.run_until([&] { return recorder.received.size() == 1; }));
  broker.restart(SIGKILL);
  ASSERT_TRUE(loop.run_until([&] { return recorder.subscribed.size() == 2; }));
  EXPECT_FALSE(recorder.connects.back());
  recorder.client.ack(recorder.received[0].handle);
  EXPECT_EQ(recorder.client.stats().void_acks, 1U);
  publish_numbers(recorder, "t", 2);
  EXPECT_TRUE(loop.run_until([&] { return recorder.received.size() == 3; }));
}

TEST(Faults, AnAbsentBrokerIsNamedAndTriedAgainUntilItComes) {
  BrokerFixture broker;
  broker.stop();
  Loop loop;
  Recorder recorder(loop, options_for(broker, "me"));
  recorder.client.start();
  ASSERT_TRUE(recorder.client.publish({.topic = "t"}));
  ASSERT_TRUE(loop.run_until([&] { return recorder.errors.size() == 3; }));
  for (const Error& error : recorder.errors) {
    EXPECT_EQ(error.code, ErrorCode::Unavailable);
    EXPECT_EQ(error.message, "cannot connect to broker 127.0.0.1:" + std::to_string(broker.port()) +
                                 ": Connection refused");
  }
  EXPECT_GT(recorder.retries[2], recorder.retries[0]);
  EXPECT_FALSE(recorder.client.connected());
  broker.start();
  EXPECT_TRUE(loop.run_until(
      [&] { return recorder.client.connected() && recorder.client.stats().outbox_messages == 0; }));
}

TEST(Faults, AnUnknownHostIsNamed) {
  Loop loop;
  ClientOptions options;
  options.host = "no-such-host.invalid";
  options.client_id = "me";
  Recorder recorder(loop, options);
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !recorder.errors.empty(); }));
  EXPECT_THAT(recorder.errors[0].message, HasSubstr("no-such-host.invalid:1883"));
}

TEST(Faults, AFrozenBrokerIsNoticedByTheKeepAlive) {
  BrokerFixture broker;
  Loop loop;
  ClientOptions options = options_for(broker, "me");
  options.keep_alive = std::chrono::seconds(1);
  Recorder recorder(loop, options);
  recorder.client.start();
  ASSERT_TRUE(loop.run_until([&] { return recorder.client.connected(); }));
  broker.freeze();
  ASSERT_TRUE(loop.run_until([&] { return !recorder.errors.empty(); }));
  EXPECT_EQ(recorder.errors[0].code, ErrorCode::Timeout);
  broker.thaw();
  EXPECT_TRUE(loop.run_until([&] { return recorder.client.connected(); }));
}

TEST(Faults, AnotherClientOfTheSameIdentifierTakesTheSessionOver) {
  BrokerFixture broker;
  Loop loop;
  Recorder first(loop, options_for(broker, "same"), false);
  first.client.subscribe({"t"});
  first.client.start();
  ASSERT_TRUE(loop.run_until([&] { return !first.subscribed.empty(); }));
  publish_numbers(first, "t", 2);
  ASSERT_TRUE(loop.run_until([&] { return first.received.size() == 2; }));
  Recorder second(loop, options_for(broker, "same"));
  second.client.start();
  // The first stops as soon as it is told, or the two would take the session from each other.
  ASSERT_TRUE(loop.run_until([&] { return !first.errors.empty(); }));
  first.client.stop();
  ASSERT_TRUE(loop.run_until([&] { return second.received.size() == 2; }));
  EXPECT_TRUE(second.connects[0]) << "it found the session of the first";
  EXPECT_TRUE(second.received[0].message.duplicate);
}

// --- credentials --------------------------------------------------------------------------------

TEST(Credentials, TheRightOnesConnectAndTheWrongOnesAreNamed) {
  BrokerFixture broker({.username = "ann", .password = "secret"});
  Loop loop;
  ClientOptions right = options_for(broker, "right");
  right.username = "ann";
  right.password = "secret";
  ClientOptions wrong = right;
  wrong.client_id = "wrong";
  wrong.password = "guess";
  Recorder accepted(loop, right);
  Recorder refused(loop, wrong);
  Recorder anonymous(loop, options_for(broker, "anonymous"));
  for (Recorder* recorder : {&accepted, &refused, &anonymous}) recorder->client.start();
  ASSERT_TRUE(loop.run_until([&] {
    return accepted.client.connected() && !refused.errors.empty() && !anonymous.errors.empty();
  }));
  for (const Recorder* recorder : {&refused, &anonymous}) {
    EXPECT_EQ(recorder->errors[0].code, ErrorCode::PermissionDenied);
    EXPECT_THAT(recorder->errors[0].message, HasSubstr("refused the connection: not authorized"));
    EXPECT_EQ(recorder->client.stats().connects, 0U);
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
