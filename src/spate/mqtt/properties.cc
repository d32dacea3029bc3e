// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/properties.h"

#include <fmt/format.h>

#include <array>

namespace spate::mqtt {
namespace {

enum class Kind : std::uint8_t { None, Flag, U8, U16, U32, Varint, Text, Binary, Pair };

struct Rule {
  Kind kind = Kind::None;
  std::uint16_t packets = 0;  // bit = PacketType
  bool not_zero = false;
};

constexpr std::uint16_t in(PacketType type) {
  return static_cast<std::uint16_t>(1U << static_cast<unsigned>(type));
}

constexpr std::size_t kRules = 0x2B;

// Table 2-4 of the standard. Will properties are left out: this codec has no wills.
constexpr std::array<Rule, kRules> make_rules() {
  using P = Property;
  using T = PacketType;
  std::array<Rule, kRules> rules{};
  const auto set = [&rules](P property, Kind kind, unsigned packets, bool not_zero = false) {
    rules[static_cast<std::size_t>(property)] = {kind, static_cast<std::uint16_t>(packets),
                                                 not_zero};
  };
  const unsigned connect = in(T::Connect);
  const unsigned connack = in(T::Connack);
  const unsigned publish = in(T::Publish);
  const unsigned acks = in(T::Puback) | in(T::Pubrec) | in(T::Pubrel) | in(T::Pubcomp);
  const unsigned disconnect = in(T::Disconnect);
  set(P::PayloadFormatIndicator, Kind::Flag, publish);
  set(P::MessageExpiryInterval, Kind::U32, publish);
  set(P::ContentType, Kind::Text, publish);
  set(P::ResponseTopic, Kind::Text, publish);
  set(P::CorrelationData, Kind::Binary, publish);
  set(P::SubscriptionIdentifier, Kind::Varint, publish | in(T::Subscribe), true);
  set(P::SessionExpiryInterval, Kind::U32, connect | connack | disconnect);
  set(P::AssignedClientIdentifier, Kind::Text, connack);
  set(P::ServerKeepAlive, Kind::U16, connack);
  set(P::AuthenticationMethod, Kind::Text, connect | connack | in(T::Auth));
  set(P::AuthenticationData, Kind::Binary, connect | connack | in(T::Auth));
  set(P::RequestProblemInformation, Kind::Flag, connect);
  set(P::RequestResponseInformation, Kind::Flag, connect);
  set(P::ResponseInformation, Kind::Text, connack);
  set(P::ServerReference, Kind::Text, connack | disconnect);
  set(P::ReasonString, Kind::Text,
      connack | acks | in(T::Suback) | in(T::Unsuback) | disconnect | in(T::Auth));
  set(P::ReceiveMaximum, Kind::U16, connect | connack, true);
  set(P::TopicAliasMaximum, Kind::U16, connect | connack);
  set(P::TopicAlias, Kind::U16, publish, true);
  set(P::MaximumQos, Kind::Flag, connack);
  set(P::RetainAvailable, Kind::Flag, connack);
  set(P::UserProperty, Kind::Pair,
      connect | connack | publish | acks | disconnect | in(T::Auth) | in(T::Subscribe) |
          in(T::Suback) | in(T::Unsubscribe) | in(T::Unsuback));
  set(P::MaximumPacketSize, Kind::U32, connect | connack, true);
  set(P::WildcardSubscriptionAvailable, Kind::Flag, connack);
  set(P::SubscriptionIdentifierAvailable, Kind::Flag, connack);
  set(P::SharedSubscriptionAvailable, Kind::Flag, connack);
  return rules;
}

constexpr std::array<Rule, kRules> kRuleOf = make_rules();

void read_value(ByteReader& body, Kind kind, PropertyValue& value) {
  switch (kind) {
    case Kind::Flag:
    case Kind::U8:
      value.number = body.u8();
      break;
    case Kind::U16:
      value.number = body.u16();
      break;
    case Kind::U32:
      value.number = body.u32();
      break;
    case Kind::Varint:
      value.number = body.varint();
      break;
    case Kind::Text:
      value.text = body.text();
      break;
    case Kind::Binary:
      value.text = body.binary();
      break;
    case Kind::Pair:
      value.text = body.text();
      value.second = body.text();
      break;
    case Kind::None:
      break;
  }
}

// A user property may come many times, and in a PUBLISH a subscription identifier too (one for
// each subscription that matched).
bool may_repeat(Property property, PacketType type) {
  return property == Property::UserProperty ||
         (property == Property::SubscriptionIdentifier && type == PacketType::Publish);
}

}  // namespace

Property read_property(ByteReader& body, PacketType type, std::uint64_t& seen,
                       PropertyValue& value) {
  const std::uint32_t identifier = body.varint();
  const auto property = static_cast<Property>(identifier);
  if (!body.ok()) return property;
  const Rule rule = identifier < kRules ? kRuleOf[identifier] : Rule{};
  if (rule.kind == Kind::None) {
    body.malformed(fmt::format("unknown property 0x{:02X}", identifier));
    return property;
  }
  if ((rule.packets & in(type)) == 0) {
    body.protocol_error(fmt::format("property 0x{:02X} in the wrong packet", identifier));
    return property;
  }
  const std::uint64_t bit = std::uint64_t{1} << identifier;
  if ((seen & bit) != 0 && !may_repeat(property, type)) {
    body.protocol_error(fmt::format("property 0x{:02X} twice", identifier));
    return property;
  }
  seen |= bit;
  read_value(body, rule.kind, value);
  if (!body.ok()) return property;
  const bool bad_flag = rule.kind == Kind::Flag && value.number > 1;
  if (bad_flag || (rule.not_zero && value.number == 0)) {
    body.protocol_error(
        fmt::format("property 0x{:02X} has the forbidden value {}", identifier, value.number));
  }
  return property;
}

}  // namespace spate::mqtt
