// SPDX-License-Identifier: Apache-2.0
//
// Packets against bytes written out by hand from the standard.
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "spate/mqtt/codec.h"

namespace spate::mqtt {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

std::string encoded(const Packet& packet) {
  std::string out;
  encode(packet, out);
  return out;
}

template <class Kind>
Kind decoded(const std::string& text) {
  PacketReader reader(1 << 20);
  reader.append(text);
  Packet packet;
  EXPECT_EQ(reader.next(packet), PacketReader::Next::Ready) << reader.error().message;
  EXPECT_EQ(reader.buffered(), 0U);
  EXPECT_TRUE(std::holds_alternative<Kind>(packet));
  return std::get<Kind>(std::move(packet));
}

TEST(CodecBytes, Connect) {
  Connect connect;
  connect.client_id = "id";
  connect.username = "u";
  connect.password = "pw";
  connect.clean_start = true;
  connect.keep_alive_s = 15;
  connect.session_expiry_s = 300;
  connect.receive_maximum = 500;
  connect.maximum_packet_bytes = 0x10000;
  EXPECT_EQ(encoded(connect), bytes({0x10, 0x23,  // CONNECT, 35 bytes follow
                                     0,    4,    'M',  'Q', 'T',  'T', 5,  // protocol
                                     0xC2,      // user name, password, clean start
                                     0,    15,  // keep alive
                                     0x0D,      // properties: 13 bytes
                                     0x11, 0,    0,    1,   0x2C,  // session expiry 300
                                     0x21, 1,    0xF4,             // receive maximum 500
                                     0x27, 0,    1,    0,   0,     // maximum packet size
                                     0,    2,    'i',  'd', 0,    1,   'u', 0, 2, 'p', 'w'}));
}

TEST(CodecBytes, ConnackWithPropertiesWeKeepAndOthersWeSkip) {
  const auto connack = decoded<Connack>(bytes({0x20, 0x23, 0x01, 0x00, 0x20,     //
                                               0x21, 0,    20,                   // receive maximum
                                               0x22, 0,    10,                   // topic aliases
                                               0x24, 1,                          // maximum QoS
                                               0x25, 0,                          // no retain
                                               0x27, 0,    0,    4,    0,        // max packet 1024
                                               0x13, 0,    30,                   // keep alive
                                               0x28, 1,    0x29, 0,    0x2A, 1,  //
                                               0x26, 0,    1,    'a',  0,    2, 'b', 'c'}));
  EXPECT_TRUE(connack.session_present);
  EXPECT_EQ(connack.reason, ReasonCode::Success);
  EXPECT_EQ(connack.receive_maximum, 20);
  EXPECT_EQ(connack.maximum_qos, 1);
  EXPECT_FALSE(connack.retain_available);
  EXPECT_EQ(connack.maximum_packet_bytes, 1024U);
  EXPECT_EQ(connack.server_keep_alive_s, 30);
  EXPECT_FALSE(connack.session_expiry_s);
}

TEST(CodecBytes, PublishAtQos1WithEveryProperty) {
  const std::string text = bytes({0x3B, 0x35,                            // DUP, QoS 1, retain
                                  0,    3,    'a',  '/',  'b',           // topic
                                  0x12, 0x34,                            // packet identifier
                                  0x29,                                  // 41 bytes of properties
                                  0x01, 1,                               // text payload
                                  0x02, 0,    0,    0,    7,             // expires in 7 s
                                  0x03, 0,    2,    'c',  't',           // content type
                                  0x08, 0,    1,    'r',                 // response topic
                                  0x09, 0,    2,    0,    0xFF,          // correlation data
                                  0x0B, 0x80, 0x01, 0x0B, 5,             // two subscriptions
                                  0x26, 0,    1,    'k',  0,    1, 'v',  // user properties
                                  0x26, 0,    1,    'k',  0,    2, 'w', 'x',  //
                                  'd',  'a',  't',  'a'});
  const auto publish = decoded<Publish>(text);
  EXPECT_EQ(publish.packet_id, 0x1234);
  const Message& message = publish.message;
  EXPECT_EQ(message.qos, Qos::AtLeastOnce);
  EXPECT_TRUE(message.duplicate);
  EXPECT_TRUE(message.retain);
  EXPECT_EQ(message.topic, "a/b");
  EXPECT_EQ(message.expiry_s, 7U);
  EXPECT_EQ(message.content_type, "ct");
  EXPECT_EQ(message.response_topic, "r");
  EXPECT_EQ(message.correlation_data, bytes({0, 0xFF}));
  ASSERT_EQ(message.user_properties.size(), 2U);
  EXPECT_EQ(*message.user_property("k"), "v");
  EXPECT_EQ(message.user_properties[1].second, "wx");
  EXPECT_EQ(message.user_property("other"), nullptr);
  EXPECT_EQ(message.payload, "data");

  // Ours leaves out what Message does not hold.
  std::string again;
  encode(publish, again);
  EXPECT_EQ(again,
            bytes({0x3B, 0x2E, 0, 3,   'a',  '/',  'b', 0x12, 0x34, 0x22,                     //
                   0x02, 0,    0, 0,   7,    0x03, 0,   2,    'c',  't',  0x08, 0,   1, 'r',  //
                   0x09, 0,    2, 0,   0xFF, 0x26, 0,   1,    'k',  0,    1,    'v',          //
                   0x26, 0,    1, 'k', 0,    2,    'w', 'x',  'd',  'a',  't',  'a'}));
  EXPECT_EQ(publish_size(message), again.size());
}

TEST(CodecBytes, PublishAtQos0HasNoIdentifier) {
  Publish publish;
  publish.message.topic = "t";
  publish.message.qos = Qos::AtMostOnce;
  publish.message.payload = "x";
  EXPECT_EQ(encoded(publish), bytes({0x30, 5, 0, 1, 't', 0, 'x'}));
  EXPECT_EQ(decoded<Publish>(encoded(publish)).packet_id, 0);
}

TEST(CodecBytes, PubackInItsThreeLengths) {
  EXPECT_EQ(encoded(Puback{5, ReasonCode::Success, {}}), bytes({0x40, 2, 0, 5}));
  EXPECT_EQ(encoded(Puback{5, ReasonCode::QuotaExceeded, {}}), bytes({0x40, 3, 0, 5, 0x97}));
  EXPECT_EQ(encoded(Puback{5, ReasonCode::QuotaExceeded, "no"}),
            bytes({0x40, 9, 0, 5, 0x97, 5, 0x1F, 0, 2, 'n', 'o'}));
  EXPECT_EQ(decoded<Puback>(bytes({0x40, 2, 1, 0})).packet_id, 256);
  EXPECT_EQ(decoded<Puback>(bytes({0x40, 3, 0, 5, 0x10})).reason,
            ReasonCode::NoMatchingSubscribers);
  const auto full = decoded<Puback>(bytes({0x40, 9, 0, 5, 0x97, 5, 0x1F, 0, 2, 'n', 'o'}));
  EXPECT_EQ(full.reason, ReasonCode::QuotaExceeded);
  EXPECT_EQ(full.reason_string, "no");
}

TEST(CodecBytes, SubscribeAndItsAnswer) {
  EXPECT_EQ(encoded(Subscribe{9, {{"a/#", Qos::AtLeastOnce}, {"b", Qos::AtMostOnce}}}),
            bytes({0x82, 13, 0, 9, 0, 0, 3, 'a', '/', '#', 1, 0, 1, 'b', 0}));
  const auto suback = decoded<Suback>(bytes({0x90, 5, 0, 9, 0, 1, 0x87}));
  EXPECT_EQ(suback.packet_id, 9);
  ASSERT_EQ(suback.reasons.size(), 2U);
  EXPECT_EQ(static_cast<int>(suback.reasons[0]), 1);
  EXPECT_EQ(suback.reasons[1], ReasonCode::NotAuthorized);
}

TEST(CodecBytes, UnsubscribeAndItsAnswer) {
  EXPECT_EQ(encoded(Unsubscribe{9, {"a"}}), bytes({0xA2, 6, 0, 9, 0, 0, 1, 'a'}));
  const auto unsuback = decoded<Unsuback>(bytes({0xB0, 4, 0, 9, 0, 0x11}));
  EXPECT_EQ(unsuback.packet_id, 9);
  EXPECT_EQ(unsuback.reasons.size(), 1U);
}

TEST(CodecBytes, PingsAndDisconnect) {
  EXPECT_EQ(encoded(Pingreq{}), bytes({0xC0, 0}));
  EXPECT_EQ(encoded(Pingresp{}), bytes({0xD0, 0}));
  EXPECT_EQ(encoded(Disconnect{}), bytes({0xE0, 0}));
  EXPECT_EQ(encoded(Disconnect{ReasonCode::ProtocolError, {}, {}, {}}), bytes({0xE0, 1, 0x82}));
  EXPECT_EQ(decoded<Disconnect>(bytes({0xE0, 0})).reason, ReasonCode::Success);
  const auto goodbye = decoded<Disconnect>(
      bytes({0xE0, 14, 0x8B, 12, 0x1F, 0, 3, 'b', 'y', 'e', 0x1C, 0, 3, 'e', 'l', 's'}));
  EXPECT_EQ(goodbye.reason, ReasonCode::ServerShuttingDown);
  EXPECT_EQ(goodbye.reason_string, "bye");
  EXPECT_EQ(goodbye.server_reference, "els");
}

TEST(CodecBytes, LengthsAtTheBordersOfTheirEncoding) {
  // A QoS 0 PUBLISH of topic "t" has 4 bytes besides its payload.
  for (const auto& [remaining, header] :
       {std::pair<std::size_t, std::string>{127, bytes({0x30, 0x7F})},
        {128, bytes({0x30, 0x80, 0x01})},
        {16'383, bytes({0x30, 0xFF, 0x7F})},
        {16'384, bytes({0x30, 0x80, 0x80, 0x01})},
        {2'097'151, bytes({0x30, 0xFF, 0xFF, 0x7F})},
        {2'097'152, bytes({0x30, 0x80, 0x80, 0x80, 0x01})}}) {
    Message message;
    message.topic = "t";
    message.qos = Qos::AtMostOnce;
    message.payload.assign(remaining - 4, 'x');
    std::string out;
    encode_publish(message, 0, false, out);
    EXPECT_EQ(out.substr(0, header.size()), header) << remaining;
    EXPECT_EQ(out.size(), header.size() + remaining);
    EXPECT_EQ(publish_size(message), out.size());
    PacketReader reader(8U << 20);
    reader.append(out);
    Packet packet;
    ASSERT_EQ(reader.next(packet), PacketReader::Next::Ready) << remaining;
    EXPECT_EQ(std::get<Publish>(packet).message.payload, message.payload);
  }
}

}  // namespace
}  // namespace spate::mqtt
