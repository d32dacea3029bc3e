// SPDX-License-Identifier: Apache-2.0
//
// MQTT 5 properties (section 2.2.2): which exist, of which type, in which packets. Internal to
// the codec.
#pragma once

#include <cstdint>
#include <string_view>

#include "spate/mqtt/bytes.h"
#include "spate/mqtt/packets.h"

namespace spate::mqtt {

enum class Property : std::uint8_t {
  PayloadFormatIndicator = 0x01,
  MessageExpiryInterval = 0x02,
  ContentType = 0x03,
  ResponseTopic = 0x08,
  CorrelationData = 0x09,
  SubscriptionIdentifier = 0x0B,
  SessionExpiryInterval = 0x11,
  AssignedClientIdentifier = 0x12,
  ServerKeepAlive = 0x13,
  AuthenticationMethod = 0x15,
  AuthenticationData = 0x16,
  RequestProblemInformation = 0x17,
  WillDelayInterval = 0x18,
  RequestResponseInformation = 0x19,
  ResponseInformation = 0x1A,
  ServerReference = 0x1C,
  ReasonString = 0x1F,
  ReceiveMaximum = 0x21,
  TopicAliasMaximum = 0x22,
  TopicAlias = 0x23,
  MaximumQos = 0x24,
  RetainAvailable = 0x25,
  UserProperty = 0x26,
  MaximumPacketSize = 0x27,
  WildcardSubscriptionAvailable = 0x28,
  SubscriptionIdentifierAvailable = 0x29,
  SharedSubscriptionAvailable = 0x2A,
};

struct PropertyValue {
  std::uint32_t number = 0;
  std::string_view text;    // texts and binary data; the name of a user property
  std::string_view second;  // the value of a user property
};

// Reads one property and checks that it exists, stands in a packet that may have it, holds an
// allowed value, and was not `seen` before (bit = identifier); sets its bit.
Property read_property(ByteReader& body, PacketType type, std::uint64_t& seen,
                       PropertyValue& value);

// Reads a property section and calls `use(Property, const PropertyValue&)` for each.
template <class Use>
void read_properties(ByteReader& body, PacketType type, Use&& use) {
  ByteReader section(body.take(body.varint()));
  std::uint64_t seen = 0;
  while (body.ok() && !section.empty()) {
    PropertyValue value;
    const Property property = read_property(section, type, seen, value);
    if (!section.ok()) {
      if (section.error().reason == ReasonCode::ProtocolError) {
        body.protocol_error(section.error().message);
      } else {
        body.malformed(section.error().message);
      }
      return;
    }
    use(property, value);
  }
}

}  // namespace spate::mqtt
