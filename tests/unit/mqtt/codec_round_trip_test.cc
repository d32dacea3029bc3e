// SPDX-License-Identifier: Apache-2.0
//
// Properties that hold for any packet: what was encoded is read back, in whatever pieces it
// comes; a damaged stream is refused or read as something else, but never more.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "spate/base/rng.h"
#include "spate/mqtt/codec.h"

namespace spate::mqtt {
namespace {

std::string random_text(Rng& rng, std::size_t longest) {
  std::string text(rng.below(longest + 1), ' ');
  for (char& c : text) c = static_cast<char>('a' + rng.below(26));
  return text;
}

Message random_message(Rng& rng) {
  Message message;
  message.topic = "t" + random_text(rng, 20);
  message.payload = random_text(rng, 600);
  message.qos = static_cast<Qos>(rng.below(2));
  message.retain = rng.below(2) == 1;
  message.duplicate = message.qos == Qos::AtLeastOnce && rng.below(2) == 1;
  message.content_type = random_text(rng, 10);
  message.response_topic = random_text(rng, 10);
  message.correlation_data = random_text(rng, 10);
  if (rng.below(2) == 1) message.expiry_s = static_cast<std::uint32_t>(rng.below(1000));
  for (std::uint64_t n = rng.below(4); n > 0; --n) {
    message.user_properties.emplace_back(random_text(rng, 8), random_text(rng, 80));
  }
  return message;
}

Packet random_packet(Rng& rng) {
  const auto id = static_cast<std::uint16_t>(1 + rng.below(65535));
  switch (rng.below(8)) {
    case 0: {
      Connect connect;
      connect.client_id = random_text(rng, 20);
      if (rng.below(2) == 1) connect.username = random_text(rng, 5);
      if (rng.below(2) == 1) connect.password = random_text(rng, 5);
      connect.session_expiry_s = static_cast<std::uint32_t>(rng.below(3));
      return connect;
    }
    case 1: {
      Connack connack;
      connack.session_present = rng.below(2) == 1;
      connack.receive_maximum = id;
      if (rng.below(2) == 1) connack.server_keep_alive_s = id;
      if (rng.below(2) == 1) connack.maximum_packet_bytes = id;
      connack.reason_string = random_text(rng, 5);
      return connack;
    }
    case 2:
      return Puback{id, rng.below(2) == 1 ? ReasonCode::Success : ReasonCode::QuotaExceeded,
                    random_text(rng, 3)};
    case 3:
      return Subscribe{id, {{random_text(rng, 9), Qos::AtLeastOnce}, {"b", Qos::AtMostOnce}}};
    case 4:
      return Suback{id, {ReasonCode::Success, ReasonCode::NotAuthorized}, random_text(rng, 3)};
    case 5:
      return Unsubscribe{id, {random_text(rng, 9), "c"}};
    case 6:
      return Disconnect{ReasonCode::ServerShuttingDown, random_text(rng, 9), {}, {}};
    default: {
      Publish publish;
      publish.message = random_message(rng);
      if (publish.message.qos == Qos::AtLeastOnce) publish.packet_id = id;
      return publish;
    }
  }
}

std::string encoded(const Packet& packet) {
  std::string out;
  encode(packet, out);
  return out;
}

TEST(CodecRoundTrip, AnyPacketsInAnyPieces) {
  Rng rng(7, "codec");
  for (int round = 0; round < 300; ++round) {
    std::string stream;
    std::vector<std::string> packets;
    for (int n = 0; n < 10; ++n) {
      packets.push_back(encoded(random_packet(rng)));
      stream += packets.back();
    }
    PacketReader reader(10'000);
    std::size_t seen = 0;
    Packet packet;
    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t piece = std::min<std::size_t>(1 + rng.below(200), stream.size() - at);
      reader.append(std::string_view(stream).substr(at, piece));
      at += piece;
      PacketReader::Next next;
      while ((next = reader.next(packet)) == PacketReader::Next::Ready) {
        ASSERT_LT(seen, packets.size());
        EXPECT_EQ(encoded(packet), packets[seen++]);
      }
      ASSERT_EQ(next, PacketReader::Next::NeedMore) << reader.error().message;
    }
    EXPECT_EQ(seen, packets.size());
    EXPECT_EQ(reader.buffered(), 0U);
  }
}

TEST(CodecRoundTrip, DamagedStreamsNeverReadBeyondTheirEnd) {
  Rng rng(8, "codec");
  std::size_t broken = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string stream = encoded(random_packet(rng)) + encoded(random_packet(rng));
    for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) {
      stream[rng.below(stream.size())] = static_cast<char>(rng.below(256));
    }
    PacketReader reader(10'000);
    reader.append(stream);
    Packet packet;
    PacketReader::Next next;
    while ((next = reader.next(packet)) == PacketReader::Next::Ready) {
      encoded(packet);  // whatever was accepted can be written again
    }
    EXPECT_LE(reader.buffered(), stream.size());
    if (next == PacketReader::Next::Broken) {
      ++broken;
      EXPECT_FALSE(reader.error().message.empty());
    }
  }
  EXPECT_GT(broken, 1000U);
}

TEST(CodecRoundTrip, AnAnnouncedLengthAllocatesNothingByItself) {
  PacketReader reader(200U << 20);
  reader.append(std::string("\x30\xFF\xFF\xFF\x3F", 5));  // a PUBLISH of 134 217 727 bytes
  Packet packet;
  EXPECT_EQ(reader.next(packet), PacketReader::Next::NeedMore);
  EXPECT_LT(reader.prepare(1).size(), 1000U);
}

}  // namespace
}  // namespace spate::mqtt
