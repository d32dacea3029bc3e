// SPDX-License-Identifier: Apache-2.0
//
// Brokers that are absent, stopped, killed, frozen, forgetful or strict about passwords.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>
#include <string>
#include <utility>

#include "component/mqtt/recorder.h"

namespace spate::mqtt {
namespace {

using test::BrokerFixture;
using test::Loop;
using test::options_for;
using test::publish_numbers;
using test::Recorder;
using ::testing::HasSubstr;

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

}  // namespace
}  // namespace spate::mqtt
