// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/outbox.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace spate::mqtt {
namespace {

constexpr std::uint16_t kNoLimit = 65535;

Status accept(Outbox& outbox, const std::string& payload, std::size_t bytes = 10) {
  Message message;
  message.topic = "t";
  message.payload = payload;
  return outbox.accept(std::move(message), nullptr, bytes);
}

// "payload@id" of everything that may be sent now, with "!" for DUP.
std::vector<std::string> send_all(Outbox& outbox, std::uint16_t receive_maximum = kNoLimit) {
  std::vector<std::string> sent;
  while (const Outbox::Entry* entry = outbox.next(receive_maximum)) {
    sent.push_back(entry->message.payload + "@" + std::to_string(entry->packet_id) +
                   (entry->sent_before ? "!" : ""));
  }
  return sent;
}

using Sent = std::vector<std::string>;

TEST(Outbox, SendsInOrderUpToTheReceiveMaximum) {
  Outbox outbox(100, 1000);
  for (const char* payload : {"a", "b", "c", "d"}) ASSERT_TRUE(accept(outbox, payload));
  EXPECT_EQ(send_all(outbox, 2), (Sent{"a@1", "b@2"}));
  EXPECT_TRUE(outbox.acknowledged(2));
  EXPECT_EQ(send_all(outbox, 2), (Sent{"c@3"}));
  EXPECT_TRUE(outbox.acknowledged(1));
  EXPECT_TRUE(outbox.acknowledged(3));
  EXPECT_EQ(send_all(outbox, 2), (Sent{"d@4"}));
  EXPECT_FALSE(outbox.acknowledged(3)) << "acknowledged before";
  EXPECT_FALSE(outbox.acknowledged(77));
  EXPECT_FALSE(outbox.acknowledged(0));
  EXPECT_EQ(outbox.messages(), 1U);
  EXPECT_EQ(outbox.bytes(), 10U);
}

TEST(Outbox, IsBoundedInMessages) {
  Outbox outbox(2, 1000);
  ASSERT_TRUE(accept(outbox, "a"));
  ASSERT_TRUE(accept(outbox, "b"));
  const Status refused = accept(outbox, "c");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Exhausted);
  send_all(outbox);
  EXPECT_FALSE(accept(outbox, "c")) << "a sent message still counts";
  outbox.acknowledged(1);
  EXPECT_TRUE(accept(outbox, "c"));
}

TEST(Outbox, IsBoundedInBytes) {
  Outbox outbox(100, 20);
  ASSERT_TRUE(accept(outbox, "a", 15));
  EXPECT_FALSE(accept(outbox, "b", 6));
  EXPECT_TRUE(accept(outbox, "c", 5));
  EXPECT_FALSE(accept(outbox, "d", 1));
  EXPECT_EQ(outbox.bytes(), 20U);
}

TEST(Outbox, AfterALostLinkTheSameIdentifiersGoAgainWithDup) {
  Outbox outbox(100, 1000);
  for (const char* payload : {"a", "b", "c", "d"}) ASSERT_TRUE(accept(outbox, payload));
  send_all(outbox, 3);
  outbox.acknowledged(2);
  outbox.link_lost();
  // The new link may allow less.
  EXPECT_EQ(send_all(outbox, 1), (Sent{"a@1!"}));
  outbox.acknowledged(1);
  EXPECT_EQ(send_all(outbox, 2), (Sent{"c@3!", "d@4"}));
}

TEST(Outbox, AnAcknowledgementOfTheOldLinkStillCounts) {
  Outbox outbox(100, 1000);
  for (const char* payload : {"a", "b"}) ASSERT_TRUE(accept(outbox, payload));
  send_all(outbox);
  outbox.link_lost();
  ASSERT_TRUE(accept(outbox, "c"));
  EXPECT_EQ(send_all(outbox, 1), (Sent{"a@1!"}));
  EXPECT_TRUE(outbox.acknowledged(2));  // not sent on this link: does not free the window
  EXPECT_EQ(send_all(outbox, 1), Sent{});
  EXPECT_TRUE(outbox.acknowledged(1));
  EXPECT_EQ(send_all(outbox, 1), (Sent{"c@3"}));
  EXPECT_EQ(outbox.messages(), 1U);
}

TEST(Outbox, AfterALostSessionEverythingGoesUnderNewIdentifiersWithoutDup) {
  Outbox outbox(100, 1000);
  for (const char* payload : {"a", "b", "c", "d"}) ASSERT_TRUE(accept(outbox, payload));
  send_all(outbox, 3);
  outbox.acknowledged(2);
  outbox.link_lost();
  outbox.session_lost();
  EXPECT_FALSE(outbox.acknowledged(1)) << "an identifier of the old session";
  EXPECT_EQ(send_all(outbox), (Sent{"a@4", "c@5", "d@6"}));
}

TEST(Outbox, ControlPacketsDrawFromTheSameIdentifiers) {
  Outbox outbox(100, 1000);
  ASSERT_TRUE(accept(outbox, "a"));
  send_all(outbox);
  EXPECT_EQ(outbox.take_control_id(), 2);
  ASSERT_TRUE(accept(outbox, "b"));
  EXPECT_EQ(send_all(outbox), (Sent{"b@3"}));
  EXPECT_FALSE(outbox.acknowledged(2)) << "a PUBACK for a SUBSCRIBE";
  EXPECT_FALSE(outbox.control_done(1)) << "a SUBACK for a PUBLISH";
  EXPECT_TRUE(outbox.control_done(2));
  EXPECT_FALSE(outbox.control_done(2));
  EXPECT_TRUE(outbox.acknowledged(3));
  EXPECT_TRUE(outbox.acknowledged(1));
}

TEST(Outbox, IdentifiersWrapAroundAndAreNeverGivenTwice) {
  Outbox outbox(1'000'000, 1'000'000'000);
  std::set<std::uint16_t> in_use;
  std::uint16_t oldest = 0;
  for (int i = 0; i < 200'000; ++i) {
    ASSERT_TRUE(accept(outbox, "x"));
    const Outbox::Entry* entry = outbox.next(kNoLimit);
    ASSERT_NE(entry, nullptr);
    ASSERT_NE(entry->packet_id, 0);
    ASSERT_TRUE(in_use.insert(entry->packet_id).second) << entry->packet_id;
    if (in_use.size() > 50) {  // the 50 newest stay open
      oldest = static_cast<std::uint16_t>((entry->packet_id + 65535 - 1 - 50) % 65535 + 1);
      ASSERT_TRUE(outbox.acknowledged(oldest)) << oldest;
      in_use.erase(oldest);
    }
  }
}

TEST(Outbox, TheOldestOpenIdentifierBoundsTheRow) {
  Outbox outbox(1'000'000, 1'000'000'000);
  for (int i = 0; i < 65'600; ++i) ASSERT_TRUE(accept(outbox, "x"));
  EXPECT_EQ(send_all(outbox).size(), 65'534U);
  for (std::uint16_t id = 2; id <= 65'534; ++id) ASSERT_TRUE(outbox.acknowledged(id));
  EXPECT_EQ(outbox.next(kNoLimit), nullptr) << "1 is still open";
  EXPECT_FALSE(outbox.take_control_id());
  ASSERT_TRUE(outbox.acknowledged(1));
  EXPECT_EQ(outbox.next(kNoLimit)->packet_id, 65'535);
  EXPECT_EQ(outbox.next(kNoLimit)->packet_id, 1);
}

TEST(Outbox, ARejectedEntryLeavesTheRow) {
  Outbox outbox(100, 1000);
  ASSERT_TRUE(accept(outbox, "a"));
  ASSERT_TRUE(accept(outbox, "b"));
  const Outbox::Entry* entry = outbox.next(kNoLimit);
  EXPECT_EQ(outbox.reject(*entry).message.payload, "a");
  EXPECT_EQ(outbox.messages(), 1U);
  EXPECT_EQ(send_all(outbox), (Sent{"b@2"}));
}

}  // namespace
}  // namespace spate::mqtt
