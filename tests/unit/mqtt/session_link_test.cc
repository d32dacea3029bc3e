// SPDX-License-Identifier: Apache-2.0
//
// Session and its link: connecting, refusals, keep-alive, backoff, the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/mqtt/script.h"

namespace spate::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::default_options;
using test::message;
using test::publish;
using test::Script;
using ::testing::HasSubstr;

// The link is to be closed and the application told why.
Disconnected expect_given_up(Script& script) {
  auto actions = script.actions();
  EXPECT_EQ(actions.size(), 2U);
  if (actions.size() != 2) return {};
  EXPECT_TRUE(std::holds_alternative<CloseLink>(actions[0]));
  return std::get<Disconnected>(actions[1]);
}

TEST(SessionLink, ConnectCarriesTheOptions) {
  ClientOptions options = default_options();
  options.username = "ann";
  options.password = "secret";
  options.session_expiry_s = 77;
  options.receive_maximum = 5;
  options.maximum_packet_bytes = 1234;
  options.keep_alive = seconds(9);
  options.clean_start = true;
  Script script(options);
  const Connect first = script.connect();
  EXPECT_EQ(first.client_id, "me");
  EXPECT_EQ(first.username, "ann");
  EXPECT_EQ(first.password, "secret");
  EXPECT_EQ(first.session_expiry_s, 77U);
  EXPECT_EQ(first.receive_maximum, 5);
  EXPECT_EQ(first.maximum_packet_bytes, 1234U);
  EXPECT_EQ(first.keep_alive_s, 9);
  EXPECT_TRUE(first.clean_start);
  script.drop_link();
  script.actions();
  script.clock.run_until(script.session.deadline());
  script.session.tick(script.clock.now());
  script.open_link();
  EXPECT_FALSE(script.heard<Connect>().clean_start) << "later connects resume";
}

TEST(SessionLink, NoCredentialsMeansNone) {
  Script script;
  const Connect connect = script.connect();
  EXPECT_FALSE(connect.username);
  EXPECT_FALSE(connect.password);
}

TEST(SessionLink, TheConnectedActionTellsWhatWasGranted) {
  Script script;
  script.open();
  Connack connack;
  connack.session_present = true;
  connack.session_expiry_s = 10;
  script.say(connack);
  const auto connected = script.only<Connected>();
  EXPECT_TRUE(connected.resumed);
  EXPECT_EQ(connected.session_expiry_s, 10U);
  EXPECT_TRUE(script.session.up());
  EXPECT_EQ(script.session.stats().connects, 1U);
}

TEST(SessionLink, RefusalsNameTheirReasonAndAreTriedAgain) {
  for (const auto& [reason, code, words] :
       {std::tuple{ReasonCode::BadUserNameOrPassword, ErrorCode::PermissionDenied,
                   "bad user name or password (0x86): ask ann"},
        {ReasonCode::NotAuthorized, ErrorCode::PermissionDenied, "not authorized (0x87)"},
        {static_cast<ReasonCode>(0x85), ErrorCode::InvalidArgument, "client identifier not valid"},
        {static_cast<ReasonCode>(0x88), ErrorCode::Unavailable, "server unavailable"}}) {
    Script script;
    script.open();
    Connack connack;
    connack.reason = reason;
    connack.reason_string = "ask ann";
    script.say(connack);
    const Disconnected refused = expect_given_up(script);
    EXPECT_EQ(refused.why.code, code);
    EXPECT_THAT(refused.why.message, HasSubstr(words));
    EXPECT_THAT(refused.why.message, HasSubstr("broker 127.0.0.1:1883"));
    EXPECT_EQ(script.session.deadline(), script.clock.now() + refused.retry_in);
    EXPECT_EQ(script.session.stats().connect_failures, 1U);
    EXPECT_EQ(script.session.stats().disconnects, 0U);
  }
}

TEST(SessionLink, ABrokerOfQos0OnlyIsRefused) {
  Script script;
  script.open();
  Connack connack;
  connack.maximum_qos = 0;
  script.say(connack);
  EXPECT_THAT(expect_given_up(script).why.message, HasSubstr("QoS 0 only"));
}

TEST(SessionLink, ASessionAfterACleanStartIsTheBrokersError) {
  ClientOptions options = default_options();
  options.clean_start = true;
  Script script(options);
  script.open();
  Connack connack;
  connack.session_present = true;
  script.say(connack);
  EXPECT_THAT(expect_given_up(script).why.message, HasSubstr("clean start"));
}

TEST(SessionLink, AnythingBeforeConnackIsTheBrokersError) {
  Script script;
  script.open();
  script.say(publish(1, "x"));
  EXPECT_THAT(expect_given_up(script).why.message, HasSubstr("before CONNACK"));
}

TEST(SessionLink, AClientsPacketFromTheBrokerIsItsError) {
  for (const Packet& packet :
       {Packet{Pingreq{}}, Packet{Connack{}}, Packet{Subscribe{1, {{"a"}}}}}) {
    Script script;
    script.connect();
    script.say(packet);
    auto actions = script.actions();
    ASSERT_EQ(actions.size(), 2U);
    const auto goodbye =
        Script::single<Disconnect>(script.parse(std::get<CloseLink>(actions[0]).farewell));
    EXPECT_EQ(goodbye.reason, ReasonCode::ProtocolError);
  }
}

TEST(SessionLink, MalformedBytesEndTheLinkWithTheRightReason) {
  Script script;
  script.connect();
  script.session.received(std::string("\x36\x00", 2), script.clock.now());
  auto actions = script.actions();
  ASSERT_EQ(actions.size(), 2U);
  const auto goodbye =
      Script::single<Disconnect>(script.parse(std::get<CloseLink>(actions[0]).farewell));
  EXPECT_EQ(goodbye.reason, ReasonCode::MalformedPacket);
  EXPECT_THAT(std::get<Disconnected>(actions[1]).why.message, HasSubstr("PUBLISH: QoS 3"));
}

TEST(SessionLink, TheServersDisconnectIsPassedOn) {
  Script script;
  script.connect();
  script.say(Disconnect{ReasonCode::ServerShuttingDown, "maintenance", {}, {}});
  const Disconnected ended = expect_given_up(script);
  EXPECT_THAT(ended.why.message, HasSubstr("server shutting down (0x8B): maintenance"));
  EXPECT_EQ(script.session.stats().disconnects, 1U);
}

TEST(SessionLink, HavingBeenTakenOverItTakesItsTime) {
  Script script;
  script.connect();
  script.say(Disconnect{ReasonCode::SessionTakenOver, {}, {}, {}});
  const Disconnected ended = expect_given_up(script);
  EXPECT_THAT(ended.why.message, HasSubstr("taken over"));
  EXPECT_GE(ended.retry_in, default_options().backoff_max / 2);
}

TEST(SessionLink, NoConnectionInTimeIsGivenUp) {
  Script script;
  script.session.start(script.clock.now());
  script.only<OpenLink>();
  EXPECT_EQ(script.session.deadline(), script.clock.now() + seconds(5));
  script.clock.run_for(milliseconds(4999));
  script.session.tick(script.clock.now());
  EXPECT_TRUE(script.actions().empty());
  script.clock.run_for(milliseconds(1));
  script.session.tick(script.clock.now());
  const Disconnected failed = expect_given_up(script);
  EXPECT_EQ(failed.why.code, ErrorCode::Timeout);
  EXPECT_THAT(failed.why.message, HasSubstr("cannot connect to broker 127.0.0.1:1883"));
}

TEST(SessionLink, NoConnackInTimeIsGivenUp) {
  Script script;
  script.open();
  script.clock.run_for(seconds(5));
  script.session.tick(script.clock.now());
  EXPECT_THAT(expect_given_up(script).why.message, HasSubstr("no answer to CONNECT"));
}

TEST(SessionKeepAlive, PingsAnIdleLinkAndGivesUpASilentOne) {
  ClientOptions options = default_options();
  options.keep_alive = seconds(8);
  Script script(options);
  script.connect();
  script.all_heard();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(script.session.deadline(), script.clock.now() + seconds(6));
    script.clock.run_for(seconds(6));
    script.session.tick(script.clock.now());
    script.heard<Pingreq>();
    script.say(Pingresp{});
  }
  script.clock.run_for(seconds(6));
  script.session.tick(script.clock.now());
  script.heard<Pingreq>();
  script.clock.run_for(milliseconds(3999));
  script.session.tick(script.clock.now());
  EXPECT_TRUE(script.session.up());
  script.clock.run_for(milliseconds(1));
  script.session.tick(script.clock.now());
  const Disconnected lost = expect_given_up(script);
  EXPECT_EQ(lost.why.code, ErrorCode::Timeout);
  EXPECT_THAT(lost.why.message, HasSubstr("nothing received for 10.0 s"));
}

TEST(SessionKeepAlive, ASenderOnADeadLinkNoticesToo) {
  ClientOptions options = default_options();
  options.keep_alive = seconds(8);
  Script script(options);
  script.connect();
  int pings = 0;
  for (int second = 0; second < 11 && script.session.up(); ++second) {
    ASSERT_TRUE(script.session.publish(message("x", Qos::AtMostOnce), nullptr));
    for (const Packet& packet : script.all_heard()) {
      pings += std::holds_alternative<Pingreq>(packet) ? 1 : 0;
    }
    script.clock.run_for(seconds(1));
    script.session.tick(script.clock.now());
  }
  EXPECT_EQ(pings, 1);
  EXPECT_FALSE(script.session.up());
}

TEST(SessionKeepAlive, BytesOfALargePacketCountAsLife) {
  ClientOptions options = default_options();
  options.keep_alive = seconds(8);
  Script script(options);
  script.connect();
  script.all_heard();
  script.clock.run_for(seconds(6));
  script.session.tick(script.clock.now());
  script.heard<Pingreq>();
  std::string packet;
  encode(publish(1, "0123456789"), packet);
  for (const char byte : packet) {  // slower than the keep-alive
    script.clock.run_for(seconds(3));
    script.session.tick(script.clock.now());
    script.session.received(std::string(1, byte), script.clock.now());
  }
  EXPECT_TRUE(script.session.up());
  EXPECT_EQ(script.only<Delivered>().message.payload, "0123456789");
}

TEST(SessionKeepAlive, TheServersValueReplacesOurs) {
  Script script;
  Connack connack;
  connack.server_keep_alive_s = 100;
  script.connect(connack);
  script.all_heard();
  EXPECT_EQ(script.session.deadline(), script.clock.now() + seconds(75));
}

TEST(SessionKeepAlive, ZeroIsNone) {
  ClientOptions options = default_options();
  options.keep_alive = seconds(0);
  Script script(options);
  script.connect();
  EXPECT_EQ(script.session.deadline(), TimePoint::max());
}

// The delays of `count` attempts that all fail at once.
std::vector<Duration> delays(ClientOptions options, int count) {
  Script script(std::move(options));
  script.session.start(script.clock.now());
  std::vector<Duration> found;
  for (int i = 0; i < count; ++i) {
    script.only<OpenLink>();
    script.drop_link();
    found.push_back(script.only<Disconnected>().retry_in);
    script.clock.run_for(found.back());
    script.session.tick(script.clock.now());
  }
  return found;
}

TEST(SessionBackoff, DoublesUpToItsMaximumWithJitter) {
  const auto found = delays(default_options(), 12);
  Duration nominal = milliseconds(50);
  for (const Duration delay : found) {
    EXPECT_GE(delay, nominal / 2);
    EXPECT_LE(delay, nominal);
    nominal = std::min<Duration>(nominal * 2, seconds(2));
  }
}

TEST(SessionBackoff, IsSeeded) {
  ClientOptions options = default_options();
  const auto first = delays(options, 6);
  EXPECT_EQ(delays(options, 6), first);
  options.seed = 2;
  EXPECT_NE(delays(options, 6), first);
}

TEST(SessionBackoff, StartsOverOnlyAfterASessionThatHeld) {
  Script script;
  script.connect();
  for (int i = 0; i < 6; ++i) {  // up, and at once down again
    script.drop_link();
    script.only<Disconnected>();
    script.reconnect(true);
    script.actions();
  }
  script.drop_link();
  EXPECT_GT(script.only<Disconnected>().retry_in, milliseconds(500));
  script.reconnect(true);
  script.actions();
  script.clock.run_for(seconds(2));
  script.drop_link();
  EXPECT_LE(script.only<Disconnected>().retry_in, milliseconds(50));
}

TEST(SessionStop, SaysGoodbyeAfterWhatWasStillToBeWritten) {
  Script script;
  script.connect();
  script.say(publish(1, "a"));
  script.session.ack(script.only<Delivered>().handle, ReasonCode::Success);
  script.session.stop();
  const auto farewell = script.parse(script.only<CloseLink>().farewell);
  ASSERT_EQ(farewell.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Puback>(farewell[0]));
  EXPECT_EQ(std::get<Disconnect>(farewell[1]).reason, ReasonCode::Success);
  EXPECT_EQ(script.session.deadline(), TimePoint::max());
  EXPECT_EQ(script.session.publish(message("x"), nullptr).error().code, ErrorCode::Unavailable);
  script.session.stop();
  EXPECT_TRUE(script.actions().empty());
}

TEST(SessionStop, DropsALinkThatIsNotUpYet) {
  Script script;
  script.open();
  script.session.stop();
  EXPECT_TRUE(script.only<CloseLink>().farewell.empty());
}

}  // namespace
}  // namespace spate::mqtt
