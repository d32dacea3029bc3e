// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/inbox.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace spate::mqtt {
namespace {

using Verdict = Inbox::Verdict;

Message message(const std::string& payload, bool duplicate = false) {
  Message out;
  out.topic = "t";
  out.payload = payload;
  out.duplicate = duplicate;
  return out;
}

std::vector<std::uint16_t> pubacks(Inbox& inbox) {
  std::vector<std::uint16_t> ids;
  while (const auto puback = inbox.next_puback()) ids.push_back(puback->packet_id);
  return ids;
}

using Ids = std::vector<std::uint16_t>;

TEST(Inbox, PubacksLeaveInOrderOfArrivalWhateverTheOrderOfTheAcks) {
  Inbox inbox;
  const AckHandle a = inbox.arrived(7, message("a")).handle;
  const AckHandle b = inbox.arrived(3, message("b")).handle;
  const AckHandle c = inbox.arrived(9, message("c")).handle;
  EXPECT_EQ(inbox.open(), 3U);
  EXPECT_TRUE(inbox.acknowledge(c, ReasonCode::Success));
  EXPECT_TRUE(inbox.acknowledge(b, ReasonCode::QuotaExceeded));
  EXPECT_EQ(inbox.open(), 1U);
  EXPECT_EQ(pubacks(inbox), Ids{});
  inbox.acknowledge(a, ReasonCode::Success);
  EXPECT_EQ(inbox.next_puback()->packet_id, 7);
  EXPECT_EQ(inbox.next_puback()->reason, ReasonCode::QuotaExceeded);
  EXPECT_EQ(pubacks(inbox), Ids{9});
  EXPECT_EQ(inbox.open(), 0U);
}

TEST(Inbox, AnIdentifierIsFreeOnceItsPubackIsOut) {
  Inbox inbox;
  inbox.acknowledge(inbox.arrived(1, message("a")).handle, ReasonCode::Success);
  EXPECT_EQ(pubacks(inbox), Ids{1});
  const auto again = inbox.arrived(1, message("b"));
  EXPECT_EQ(again.verdict, Verdict::Deliver);
  inbox.acknowledge(again.handle, ReasonCode::Success);
  EXPECT_EQ(pubacks(inbox), Ids{1});
}

TEST(Inbox, RedeliveryOfAnOpenMessageIsSwallowedAndAckedInTheNewOrder) {
  Inbox inbox;
  const AckHandle a = inbox.arrived(1, message("a")).handle;
  const AckHandle b = inbox.arrived(2, message("b")).handle;
  inbox.link_lost();
  EXPECT_EQ(inbox.open(), 2U);
  inbox.acknowledge(a, ReasonCode::Success);  // while there is no link
  EXPECT_EQ(pubacks(inbox), Ids{});           // not before the broker has delivered it again
  EXPECT_EQ(inbox.arrived(2, message("b", true)).verdict, Verdict::Swallow);
  EXPECT_EQ(inbox.arrived(1, message("a", true)).verdict, Verdict::Swallow);
  EXPECT_EQ(pubacks(inbox), Ids{});
  inbox.acknowledge(b, ReasonCode::Success);
  EXPECT_EQ(pubacks(inbox), (Ids{2, 1}));
}

TEST(Inbox, AMessageWhosePubackWasSentIsNewWhenItComesAgain) {
  Inbox inbox;
  inbox.acknowledge(inbox.arrived(1, message("a")).handle, ReasonCode::Success);
  EXPECT_EQ(pubacks(inbox), Ids{1});
  inbox.link_lost();
  EXPECT_EQ(inbox.arrived(1, message("a", true)).verdict, Verdict::Deliver);
}

TEST(Inbox, AnIdentifierUsedAnewMakesTheOldHandleVoid) {
  for (const bool duplicate : {false, true}) {
    Inbox inbox;
    const AckHandle old = inbox.arrived(1, message("old")).handle;
    inbox.link_lost();
    // A broker restored from an older state: without DUP, or with DUP and another content.
    const auto fresh = inbox.arrived(1, message(duplicate ? "new" : "old", duplicate));
    EXPECT_EQ(fresh.verdict, Verdict::Deliver);
    EXPECT_NE(fresh.handle, old);
    EXPECT_EQ(inbox.open(), 1U);
    EXPECT_FALSE(inbox.acknowledge(old, ReasonCode::Success));
    EXPECT_EQ(pubacks(inbox), Ids{});
    EXPECT_TRUE(inbox.acknowledge(fresh.handle, ReasonCode::Success));
    EXPECT_EQ(pubacks(inbox), Ids{1});
  }
}

TEST(Inbox, TwoMessagesUnderOneIdentifierOnOneLinkAreTheBrokersError) {
  Inbox inbox;
  inbox.arrived(1, message("a"));
  EXPECT_EQ(inbox.arrived(1, message("b")).verdict, Verdict::ProtocolError);
  EXPECT_EQ(inbox.arrived(1, message("a", true)).verdict, Verdict::Swallow);
}

TEST(Inbox, ALostSessionMakesOpenHandlesVoid) {
  Inbox inbox;
  const AckHandle open = inbox.arrived(1, message("a")).handle;
  const AckHandle acknowledged = inbox.arrived(2, message("b")).handle;
  inbox.acknowledge(acknowledged, ReasonCode::Success);
  inbox.link_lost();
  inbox.session_lost();
  EXPECT_EQ(inbox.open(), 0U);
  EXPECT_EQ(inbox.arrived(1, message("c")).verdict, Verdict::Deliver);
  EXPECT_FALSE(inbox.acknowledge(open, ReasonCode::Success));
  EXPECT_EQ(pubacks(inbox), Ids{});
}

TEST(InboxDeathTest, AcknowledgingTwiceIsACallersBug) {
  Inbox inbox;
  const AckHandle a = inbox.arrived(1, message("a")).handle;
  inbox.arrived(2, message("b"));
  inbox.acknowledge(a, ReasonCode::Success);
  EXPECT_DEATH(inbox.acknowledge(a, ReasonCode::Success), "acknowledged twice");
  EXPECT_EQ(pubacks(inbox), Ids{1});
  EXPECT_DEATH(inbox.acknowledge(a, ReasonCode::Success), "acknowledged twice");
}

}  // namespace
}  // namespace spate::mqtt
