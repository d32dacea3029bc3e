// SPDX-License-Identifier: Apache-2.0
//
// Session while it is up and across lost links: messages, acknowledgements, subscriptions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/mqtt/script.h"

namespace spate::mqtt {
namespace {

using test::default_options;
using test::message;
using test::payloads;
using test::publish;
using test::Script;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::uint16_t> ids(const std::vector<Puback>& packets) {
  std::vector<std::uint16_t> out;
  for (const Puback& packet : packets) out.push_back(packet.packet_id);
  return out;
}

TEST(SessionIn, PubacksWaitForTheApplicationAndForTheirTurn) {
  Script script;
  script.connect();
  script.say(publish(1, "a"));
  script.say(publish(2, "b"));
  script.say(publish(3, "c"));
  const auto delivered = script.all<Delivered>();
  ASSERT_EQ(delivered.size(), 3U);
  EXPECT_TRUE(script.all_heard().empty());
  script.session.ack(delivered[2].handle, ReasonCode::Success);
  script.session.ack(delivered[0].handle, ReasonCode::Success);
  EXPECT_EQ(script.heard<Puback>().packet_id, 1);
  EXPECT_EQ(script.session.stats().unacknowledged_in, 1U);
  script.session.ack(delivered[1].handle, ReasonCode::UnspecifiedError);
  const auto rest = Script::of_kind<Puback>(script.all_heard());
  EXPECT_THAT(ids(rest), ElementsAre(2, 3));
  EXPECT_EQ(rest[0].reason, ReasonCode::UnspecifiedError);
}

TEST(SessionIn, TakesMoreThanItsReceiveMaximum) {
  ClientOptions options = default_options();
  options.receive_maximum = 2;
  Script script(options);
  EXPECT_EQ(script.connect().receive_maximum, 2);
  for (std::uint16_t id = 1; id <= 40; ++id) script.say(publish(id, "x"));
  EXPECT_EQ(script.all<Delivered>().size(), 40U);
  EXPECT_TRUE(script.session.up());
}

TEST(SessionIn, Qos0HasNoHandle) {
  Script script;
  script.connect();
  Publish packet;
  packet.message = message("x", Qos::AtMostOnce);
  script.say(packet);
  EXPECT_EQ(script.only<Delivered>().handle, AckHandle::None);
  EXPECT_EQ(script.session.stats().messages_in, 1U);
}

TEST(SessionIn, AnOpenMessageIsNotDeliveredAgainAndItsAckGoesOutOnTheNewLink) {
  Script script;
  script.connect();
  script.say(publish(1, "a"));
  script.say(publish(2, "b"));
  const auto delivered = script.all<Delivered>();
  script.drop_link();
  script.only<Disconnected>();
  script.session.ack(delivered[1].handle, ReasonCode::Success);  // while there is no link

  script.reconnect(true);
  EXPECT_TRUE(script.only<Connected>().resumed);
  EXPECT_TRUE(script.all_heard().empty()) << "no PUBACK before the broker delivered again";
  script.say(publish(1, "a", true));
  script.say(publish(2, "b", true));
  script.say(publish(3, "c"));
  EXPECT_EQ(script.only<Delivered>().message.payload, "c");
  EXPECT_EQ(script.session.stats().redelivered_in, 2U);
  EXPECT_TRUE(script.all_heard().empty());
  script.session.ack(delivered[0].handle, ReasonCode::Success);
  EXPECT_THAT(ids(Script::of_kind<Puback>(script.all_heard())), ElementsAre(1, 2));
}

TEST(SessionIn, AfterALostSessionOpenHandlesAreVoid) {
  Script script;
  script.connect();
  script.say(publish(1, "a"));
  const AckHandle old = script.only<Delivered>().handle;
  script.drop_link();
  script.only<Disconnected>();
  script.reconnect(false);
  EXPECT_FALSE(script.only<Connected>().resumed);
  script.say(publish(1, "another"));
  const AckHandle fresh = script.only<Delivered>().handle;
  script.session.ack(old, ReasonCode::Success);
  EXPECT_TRUE(script.all_heard().empty()) << "the old handle must not acknowledge the new message";
  EXPECT_EQ(script.session.stats().void_acks, 1U);
  script.session.ack(fresh, ReasonCode::Success);
  EXPECT_EQ(script.heard<Puback>().packet_id, 1);
}

TEST(SessionIn, AnIdentifierUsedTwiceOnOneLinkEndsIt) {
  Script script;
  script.connect();
  script.say(publish(1, "a"));
  script.actions();
  script.say(publish(1, "b"));
  const auto actions = script.actions();
  ASSERT_EQ(actions.size(), 2U);
  const auto goodbye =
      Script::single<Disconnect>(script.parse(std::get<CloseLink>(actions[0]).farewell));
  EXPECT_EQ(goodbye.reason, ReasonCode::ProtocolError);
  EXPECT_THAT(std::get<Disconnected>(actions[1]).why.message, HasSubstr("identifier 1"));
}

TEST(SessionOut, WaitsInTheOutboxUntilTheSessionIsUp) {
  Script script;
  ASSERT_TRUE(script.session.publish(message("early"), nullptr));
  EXPECT_EQ(script.session.stats().outbox_messages, 1U);
  script.connect();
  EXPECT_EQ(script.heard<Publish>().message.payload, "early");
}

TEST(SessionOut, RespectsTheBrokersReceiveMaximum) {
  Script script;
  Connack connack;
  connack.receive_maximum = 2;
  script.connect(connack);
  std::vector<ReasonCode> done;
  const Published note = [&](ReasonCode reason) { done.push_back(reason); };
  for (const char* text : {"a", "b", "c"}) ASSERT_TRUE(script.session.publish(message(text), note));
  const auto sent = Script::of_kind<Publish>(script.all_heard());
  EXPECT_THAT(payloads(sent), ElementsAre("a", "b"));
  script.say(Puback{sent[1].packet_id, ReasonCode::Success, {}});
  const auto acknowledged = script.only<Acknowledged>();
  acknowledged.done(acknowledged.reason);
  EXPECT_THAT(done, ElementsAre(ReasonCode::Success));
  EXPECT_EQ(script.heard<Publish>().message.payload, "c");
  EXPECT_EQ(script.session.broker_receive_maximum(), 2);
  EXPECT_EQ(script.session.stats().messages_out, 3U);
  EXPECT_EQ(script.session.stats().outbox_messages, 2U);
}

TEST(SessionOut, ARefusalByTheBrokerIsReportedAndNotRepeated) {
  Script script;
  script.connect();
  ASSERT_TRUE(script.session.publish(message("a"), [](ReasonCode) {}));
  script.say(Puback{script.heard<Publish>().packet_id, ReasonCode::NotAuthorized, "acl"});
  EXPECT_EQ(script.only<Acknowledged>().reason, ReasonCode::NotAuthorized);
  EXPECT_EQ(script.session.stats().refused_out, 1U);
  EXPECT_EQ(script.session.stats().outbox_messages, 0U);
}

TEST(SessionOut, ResendsWithDupAfterResumption) {
  Script script;
  script.connect();
  for (const char* text : {"a", "b", "c"}) {
    ASSERT_TRUE(script.session.publish(message(text), nullptr));
  }
  const auto first = Script::of_kind<Publish>(script.all_heard());
  script.say(Puback{first[1].packet_id, ReasonCode::Success, {}});
  script.drop_link();
  ASSERT_TRUE(script.session.publish(message("d"), nullptr));
  script.actions();
  script.reconnect(true);
  const auto again = Script::of_kind<Publish>(script.all_heard());
  EXPECT_THAT(payloads(again), ElementsAre("a", "c", "d"));
  EXPECT_EQ(again[0].packet_id, first[0].packet_id);
  EXPECT_TRUE(again[0].message.duplicate);
  EXPECT_TRUE(again[1].message.duplicate);
  EXPECT_FALSE(again[2].message.duplicate);
  EXPECT_EQ(script.session.stats().resent_out, 2U);
  EXPECT_EQ(script.session.stats().messages_out, 4U);
}

TEST(SessionOut, ResendsUnderNewIdentifiersAfterALostSession) {
  Script script;
  script.connect();
  ASSERT_TRUE(script.session.publish(message("a"), nullptr));
  const auto first = script.heard<Publish>();
  script.drop_link();
  script.actions();
  script.reconnect(false);
  const auto again = script.heard<Publish>();
  EXPECT_EQ(again.message.payload, "a");
  EXPECT_NE(again.packet_id, first.packet_id);
  EXPECT_FALSE(again.message.duplicate);
  script.say(Puback{first.packet_id, ReasonCode::Success, {}});
  EXPECT_EQ(script.session.stats().stray_acks, 1U);
  EXPECT_EQ(script.session.stats().outbox_messages, 1U);
}

TEST(SessionOut, TheOutboxIsBounded) {
  ClientOptions options = default_options();
  options.max_outbox_messages = 2;
  Script script(options);
  EXPECT_TRUE(script.session.publish(message("a"), nullptr));
  EXPECT_TRUE(script.session.publish(message("b"), nullptr));
  const Status refused = script.session.publish(message("c"), nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Exhausted);
}

TEST(SessionOut, Qos0IsRefusedWithoutALinkAndBoundedWithASlowOne) {
  ClientOptions options = default_options();
  options.max_outbox_bytes = 1000;
  Script script(options);
  EXPECT_EQ(script.session.publish(message("x", Qos::AtMostOnce), nullptr).error().code,
            ErrorCode::Unavailable);
  script.connect();
  const std::string text(400, 'x');
  EXPECT_TRUE(script.session.publish(message(text, Qos::AtMostOnce), nullptr));
  EXPECT_TRUE(script.session.publish(message(text, Qos::AtMostOnce), nullptr));
  EXPECT_EQ(script.session.publish(message(text, Qos::AtMostOnce), nullptr).error().code,
            ErrorCode::Exhausted);
  EXPECT_EQ(script.all_heard().size(), 2U);
  EXPECT_TRUE(script.session.publish(message(text, Qos::AtMostOnce), nullptr));
}

TEST(SessionOut, RefusesWhatTheBrokerCannotTake) {
  Script script;
  Connack connack;
  connack.maximum_packet_bytes = 100;
  connack.retain_available = false;
  script.session.publish(message(std::string(200, 'x')), [](ReasonCode) {}).value();  // before
  script.open();
  script.say(connack);
  const auto actions = script.actions();
  ASSERT_EQ(actions.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<Connected>(actions[0]));
  EXPECT_EQ(std::get<Acknowledged>(actions[1]).reason, ReasonCode::PacketTooLarge);
  EXPECT_TRUE(script.all_heard().empty());

  EXPECT_EQ(script.session.publish(message(std::string(200, 'x')), nullptr).error().code,
            ErrorCode::InvalidArgument);
  Message retained = message("x");
  retained.retain = true;
  EXPECT_EQ(script.session.publish(retained, nullptr).error().code, ErrorCode::InvalidArgument);
  Message wild = message("x");
  wild.topic = "a/#";
  EXPECT_EQ(script.session.publish(wild, nullptr).error().code, ErrorCode::InvalidArgument);
  EXPECT_TRUE(script.session.publish(message("x"), nullptr));
}

TEST(SessionOut, LargeAmountsComeInPieces) {
  Script script;
  script.connect();
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(script.session.publish(message(std::string(100'000, 'x')), nullptr));
  }
  std::string piece;
  ASSERT_TRUE(script.session.take_output(piece, script.clock.now()));
  EXPECT_LT(piece.size(), 400'000U);
  std::size_t total = Script::of_kind<Publish>(script.parse(piece)).size();
  total += Script::of_kind<Publish>(script.all_heard()).size();
  EXPECT_EQ(total, 8U);
}

TEST(SessionSubscriptions, AreMadeOnceAndAgainOnlyWhenTheSessionWasLost) {
  Script script;
  script.session.subscribe({"a/+"});
  script.session.subscribe({"b", Qos::AtMostOnce});
  script.connect();
  const auto asked = Script::of_kind<Subscribe>(script.all_heard());
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[0].filters[0].filter, "a/+");
  EXPECT_EQ(asked[1].filters[0].qos, Qos::AtMostOnce);
  script.say(Suback{asked[0].packet_id, {static_cast<ReasonCode>(1)}, {}});
  script.say(Suback{asked[1].packet_id, {ReasonCode::NotAuthorized}, "acl"});
  const auto outcomes = script.all<Subscribed>();
  ASSERT_EQ(outcomes.size(), 2U);
  EXPECT_TRUE(outcomes[0].outcome);
  EXPECT_EQ(outcomes[1].outcome.error().code, ErrorCode::PermissionDenied);
  EXPECT_THAT(outcomes[1].outcome.error().message, HasSubstr("not authorized"));

  script.drop_link();
  script.actions();
  script.reconnect(true);
  EXPECT_TRUE(script.all_heard().empty());
  script.drop_link();
  script.actions();
  script.reconnect(false);
  EXPECT_EQ(Script::of_kind<Subscribe>(script.all_heard()).size(), 2U);
}

TEST(SessionSubscriptions, OneThatWasNotAnsweredIsAskedForAgain) {
  Script script;
  script.session.subscribe({"a"});
  script.connect();
  script.heard<Subscribe>();
  script.drop_link();
  script.actions();
  script.reconnect(true);
  EXPECT_EQ(script.heard<Subscribe>().filters[0].filter, "a");
}

TEST(SessionSubscriptions, ALesserGrantIsAnError) {
  Script script;
  script.session.subscribe({"a"});
  script.connect();
  script.say(Suback{script.heard<Subscribe>().packet_id, {ReasonCode::Success}, {}});  // QoS 0
  EXPECT_THAT(script.only<Subscribed>().outcome.error().message, HasSubstr("QoS 0"));
}

TEST(SessionSubscriptions, UnsubscribeReachesTheBrokerEvenWhenAskedForWithoutALink) {
  Script script;
  script.session.subscribe({"a"});
  script.connect();
  script.say(Suback{script.heard<Subscribe>().packet_id, {static_cast<ReasonCode>(1)}, {}});
  script.drop_link();
  script.session.unsubscribe("a");
  script.actions();
  script.reconnect(true);
  const auto asked = script.heard<Unsubscribe>();
  EXPECT_THAT(asked.filters, ElementsAre("a"));
  script.say(Unsuback{asked.packet_id, {ReasonCode::Success}, {}});
  script.drop_link();
  script.actions();
  script.reconnect(false);
  EXPECT_TRUE(script.all_heard().empty()) << "it is forgotten";
}

TEST(SessionSubscriptions, AnAnswerToNoQuestionEndsTheLink) {
  Script script;
  script.connect();
  script.say(Suback{9, {ReasonCode::Success}, {}});
  EXPECT_FALSE(script.session.up());
}

}  // namespace
}  // namespace spate::mqtt
