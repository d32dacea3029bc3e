// SPDX-License-Identifier: Apache-2.0
//
// What the reader refuses, and with which reason code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "spate/mqtt/codec.h"

namespace spate::mqtt {
namespace {

using ::testing::HasSubstr;

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text.push_back(static_cast<char>(value));
  return text;
}

struct Bad {
  const char* name;
  std::string input;
  ReasonCode reason;
  const char* words;  // in the message
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

class CodecStrict : public ::testing::TestWithParam<Bad> {};

TEST_P(CodecStrict, Refuses) {
  PacketReader reader(1000);
  reader.append(GetParam().input);
  Packet packet;
  ASSERT_EQ(reader.next(packet), PacketReader::Next::Broken);
  EXPECT_EQ(reader.error().reason, GetParam().reason) << reader.error().message;
  EXPECT_THAT(reader.error().message, HasSubstr(GetParam().words));
  reader.append(bytes({0xD0, 0}));
  EXPECT_EQ(reader.next(packet), PacketReader::Next::Broken) << "it must stay broken";
}

constexpr auto kMalformed = ReasonCode::MalformedPacket;
constexpr auto kProtocol = ReasonCode::ProtocolError;

const Bad kBad[] = {
    {"ReservedType", bytes({0x00, 0}), kMalformed, "unknown packet type"},
    {"LengthOfFiveBytes", bytes({0x30, 0x80, 0x80, 0x80, 0x80, 0x01}), kMalformed, "four bytes"},
    {"LengthOverLong", bytes({0xD0, 0x80, 0x00}), kMalformed, "over-long"},
    {"PacketTooLarge", bytes({0x30, 0xE6, 0x07}), ReasonCode::PacketTooLarge, "at most 1000"},
    {"PingrespWithFlags", bytes({0xD1, 0}), kMalformed, "wrong flags"},
    {"PingrespWithBody", bytes({0xD0, 1, 0}), kMalformed, "after its end"},
    {"SubscribeWithoutItsFlag", bytes({0x80, 7, 0, 9, 0, 0, 1, 'a', 1}), kMalformed, "wrong flags"},
    {"ConnackReservedFlags", bytes({0x20, 3, 0x02, 0, 0}), kMalformed, "reserved"},
    {"ConnackRefusalWithSession", bytes({0x20, 3, 1, 0x87, 0}), kProtocol, "with a session"},
    {"ConnackTooShort", bytes({0x20, 2, 0, 0}), kMalformed, "too short"},
    {"ConnackReceiveMaximumZero", bytes({0x20, 6, 0, 0, 3, 0x21, 0, 0}), kProtocol, "forbidden"},
    {"ConnackMaximumQosTwo", bytes({0x20, 5, 0, 0, 2, 0x24, 2}), kProtocol, "forbidden"},
    {"PropertyTwice", bytes({0x20, 7, 0, 0, 4, 0x25, 1, 0x25, 1}), kProtocol, "twice"},
    {"PropertyUnknown", bytes({0x20, 5, 0, 0, 2, 0x04, 1}), kMalformed, "unknown property"},
    {"PropertyInTheWrongPacket", bytes({0x20, 5, 0, 0, 2, 0x01, 1}), kProtocol, "wrong packet"},
    {"PropertiesLongerThanThePacket", bytes({0x20, 3, 0, 0, 9}), kMalformed, "too short"},
    {"PropertyCutOff", bytes({0x20, 5, 0, 0, 2, 0x21, 0}), kMalformed, "too short"},
    {"PublishQosThree", bytes({0x36, 6, 0, 1, 't', 0, 1, 0}), kMalformed, "QoS 3"},
    {"PublishQosTwo", bytes({0x34, 6, 0, 1, 't', 0, 1, 0}), kProtocol, "QoS 2"},
    {"PublishDupAtQosZero", bytes({0x38, 4, 0, 1, 't', 0}), kMalformed, "DUP"},
    {"PublishIdentifierZero", bytes({0x32, 6, 0, 1, 't', 0, 0, 0}), kProtocol, "identifier 0"},
    {"PublishWithWildcard", bytes({0x30, 4, 0, 1, '#', 0}), kMalformed, "wildcards"},
    {"PublishEmptyTopic", bytes({0x30, 3, 0, 0, 0}), kProtocol, "empty topic"},
    {"PublishTopicAlias", bytes({0x30, 7, 0, 1, 't', 3, 0x23, 0, 1}), kProtocol, "topic alias"},
    {"PublishTopicNotUtf8", bytes({0x30, 4, 0, 1, 0xFF, 0}), kMalformed, "UTF-8"},
    {"PublishTopicWithZero", bytes({0x30, 4, 0, 1, 0, 0}), kMalformed, "UTF-8"},
    {"PublishTopicCutOff", bytes({0x30, 3, 0, 9, 't'}), kMalformed, "too short"},
    {"PublishResponseTopicWild", bytes({0x30, 8, 0, 1, 't', 4, 0x08, 0, 1, '+'}), kProtocol,
     "response topic"},
    {"PubackWithoutIdentifier", bytes({0x40, 1, 5}), kMalformed, "too short"},
    {"PubackIdentifierZero", bytes({0x40, 2, 0, 0}), kProtocol, "identifier 0"},
    {"SubackWithoutReasons", bytes({0x90, 3, 0, 1, 0}), kMalformed, "too short"},
    {"Pubrec", bytes({0x50, 2, 0, 1}), kProtocol, "QoS 2"},
    {"Auth", bytes({0xF0, 0}), kProtocol, "authentication"},
    {"ConnectOfMqtt311", bytes({0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0}), kProtocol,
     "not MQTT 5"},
};

INSTANTIATE_TEST_SUITE_P(Input, CodecStrict, ::testing::ValuesIn(kBad),
                         [](const auto& entry) { return std::string(entry.param.name); });

TEST(CodecText, Utf8IsCheckedAsTheStandardWants) {
  EXPECT_TRUE(is_valid_text(""));
  EXPECT_TRUE(is_valid_text("plain"));
  EXPECT_TRUE(is_valid_text("\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80"));
  EXPECT_TRUE(is_valid_text("\xF4\x8F\xBF\xBF"));            // U+10FFFF
  EXPECT_FALSE(is_valid_text("\xF4\x90\x80\x80"));           // above it
  EXPECT_FALSE(is_valid_text("\xED\xA0\x80"));               // surrogate U+D800
  EXPECT_FALSE(is_valid_text("\xC0\x80"));                   // over-long U+0000
  EXPECT_FALSE(is_valid_text("\xE0\x80\xAF"));               // over-long '/'
  EXPECT_FALSE(is_valid_text("\xE2\x82"));                   // cut off
  EXPECT_FALSE(is_valid_text("\x80"));                       // continuation alone
  EXPECT_FALSE(is_valid_text(std::string_view("a\0b", 3)));  // U+0000
}

TEST(CodecText, MessagesAreCheckedBeforeTheyAreSent) {
  Message message;
  EXPECT_FALSE(validate(message));  // no topic
  message.topic = "a/b";
  EXPECT_TRUE(validate(message));
  for (const char* topic : {"a/+", "#", "\xFF"}) {
    message.topic = topic;
    EXPECT_FALSE(validate(message)) << topic;
  }
  message.topic.assign(65535, 'x');
  EXPECT_TRUE(validate(message));
  message.topic.assign(65536, 'x');
  EXPECT_FALSE(validate(message));
  message.topic = "t";
  message.correlation_data.assign(65536, 'x');
  EXPECT_FALSE(validate(message));
  message.correlation_data.assign(65535, '\0');
  EXPECT_TRUE(validate(message));
  message.user_properties = {{"k", "\xFF"}};
  EXPECT_EQ(validate(message).error().code, ErrorCode::InvalidArgument);
}

TEST(CodecText, TopicFilters) {
  for (const char* good : {"a", "a/b", "+", "#", "a/+/b", "a/#", "/", "$share/g/a/+"}) {
    EXPECT_TRUE(validate_filter(good)) << good;
  }
  for (const char* bad : {"", "a+", "a/#/b", "#a", "a/b#", "\xFF"}) {
    EXPECT_FALSE(validate_filter(bad)) << bad;
  }
}

}  // namespace
}  // namespace spate::mqtt
