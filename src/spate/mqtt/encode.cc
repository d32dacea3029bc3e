// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "spate/base/check.h"
#include "spate/mqtt/bytes.h"
#include "spate/mqtt/codec.h"
#include "spate/mqtt/properties.h"

namespace spate::mqtt {
namespace {

std::uint8_t first_byte(PacketType type, unsigned flags = 0) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(type) << 4 | flags);
}

void put_id(std::string& out, Property property) {
  put_u8(out, static_cast<std::uint8_t>(property));
}
void put_text_property(std::string& out, Property property, std::string_view text) {
  if (text.empty()) return;
  put_id(out, property);
  put_text(out, text);
}
void put_u16_property(std::string& out, Property property, std::uint16_t value) {
  put_id(out, property);
  put_u16(out, value);
}
void put_u32_property(std::string& out, Property property, std::uint32_t value) {
  put_id(out, property);
  put_u32(out, value);
}
void put_flag_property(std::string& out, Property property, bool value) {
  put_id(out, property);
  put_u8(out, value ? 1 : 0);
}

void put_section(std::string& out, std::string_view properties) {
  put_varint(out, properties.size());
  out.append(properties);
}

void put_packet(std::string& out, std::uint8_t first, std::string_view body) {
  put_u8(out, first);
  put_varint(out, body.size());
  out.append(body);
}

std::size_t text_property_size(std::string_view text) {
  return text.empty() ? 0 : 1 + 2 + text.size();
}

std::size_t publish_properties_size(const Message& message) {
  std::size_t size = message.expiry_s ? 5 : 0;
  size += text_property_size(message.content_type);
  size += text_property_size(message.response_topic);
  size += text_property_size(message.correlation_data);
  for (const auto& [name, value] : message.user_properties) {
    size += 1 + 2 + name.size() + 2 + value.size();
  }
  return size;
}

std::size_t publish_remaining(const Message& message, std::size_t properties) {
  const std::size_t identifier = message.qos == Qos::AtMostOnce ? 0 : 2;
  return 2 + message.topic.size() + identifier + varint_size(properties) + properties +
         message.payload.size();
}

// SUBACK and UNSUBACK.
void encode_reasons(PacketType type, std::uint16_t packet_id, std::string_view reason_string,
                    const std::vector<ReasonCode>& reasons, std::string& out) {
  std::string body;
  put_u16(body, packet_id);
  std::string properties;
  put_text_property(properties, Property::ReasonString, reason_string);
  put_section(body, properties);
  for (const ReasonCode reason : reasons) put_u8(body, static_cast<std::uint8_t>(reason));
  put_packet(out, first_byte(type), body);
}

}  // namespace

void encode(const Connect& packet, std::string& out) {
  std::string body;
  put_text(body, "MQTT");
  put_u8(body, 5);
  unsigned flags = packet.clean_start ? 0x02 : 0;
  if (packet.username) flags |= 0x80;
  if (packet.password) flags |= 0x40;
  put_u8(body, static_cast<std::uint8_t>(flags));
  put_u16(body, packet.keep_alive_s);
  std::string properties;
  if (packet.session_expiry_s != 0) {
    put_u32_property(properties, Property::SessionExpiryInterval, packet.session_expiry_s);
  }
  // 65535 is also what absence means, but mosquitto takes absence as its own default of 20.
  put_u16_property(properties, Property::ReceiveMaximum, packet.receive_maximum);
  if (packet.maximum_packet_bytes) {
    put_u32_property(properties, Property::MaximumPacketSize, *packet.maximum_packet_bytes);
  }
  put_section(body, properties);
  put_text(body, packet.client_id);
  if (packet.username) put_text(body, *packet.username);
  if (packet.password) put_text(body, *packet.password);
  put_packet(out, first_byte(PacketType::Connect), body);
}

void encode(const Connack& packet, std::string& out) {
  std::string body;
  put_u8(body, packet.session_present ? 1 : 0);
  put_u8(body, static_cast<std::uint8_t>(packet.reason));
  std::string properties;
  if (packet.session_expiry_s) {
    put_u32_property(properties, Property::SessionExpiryInterval, *packet.session_expiry_s);
  }
  if (packet.receive_maximum != 65535) {
    put_u16_property(properties, Property::ReceiveMaximum, packet.receive_maximum);
  }
  if (packet.maximum_qos < 2) {
    put_flag_property(properties, Property::MaximumQos, packet.maximum_qos == 1);
  }
  if (!packet.retain_available) put_flag_property(properties, Property::RetainAvailable, false);
  if (packet.maximum_packet_bytes) {
    put_u32_property(properties, Property::MaximumPacketSize, *packet.maximum_packet_bytes);
  }
  put_text_property(properties, Property::AssignedClientIdentifier, packet.assigned_client_id);
  if (packet.server_keep_alive_s) {
    put_u16_property(properties, Property::ServerKeepAlive, *packet.server_keep_alive_s);
  }
  put_text_property(properties, Property::ReasonString, packet.reason_string);
  put_section(body, properties);
  put_packet(out, first_byte(PacketType::Connack), body);
}

std::size_t publish_size(const Message& message) {
  const std::size_t remaining = publish_remaining(message, publish_properties_size(message));
  return 1 + varint_size(remaining) + remaining;
}

void encode_publish(const Message& message, std::uint16_t packet_id, bool duplicate,
                    std::string& out) {
  const bool at_least_once = message.qos == Qos::AtLeastOnce;
  SPATE_CHECK(!at_least_once || packet_id != 0, "a QoS 1 PUBLISH without packet identifier");
  const std::size_t properties = publish_properties_size(message);
  const std::size_t remaining = publish_remaining(message, properties);
  const unsigned flags =
      (duplicate ? 0x08U : 0U) | (at_least_once ? 0x02U : 0U) | (message.retain ? 0x01U : 0U);
  put_u8(out, first_byte(PacketType::Publish, flags));
  put_varint(out, remaining);
  put_text(out, message.topic);
  if (at_least_once) put_u16(out, packet_id);
  put_varint(out, properties);
  if (message.expiry_s) {
    put_u32_property(out, Property::MessageExpiryInterval, *message.expiry_s);
  }
  put_text_property(out, Property::ContentType, message.content_type);
  put_text_property(out, Property::ResponseTopic, message.response_topic);
  put_text_property(out, Property::CorrelationData, message.correlation_data);
  for (const auto& [name, value] : message.user_properties) {
    put_id(out, Property::UserProperty);
    put_text(out, name);
    put_text(out, value);
  }
  out.append(message.payload);
}

void encode(const Publish& packet, std::string& out) {
  encode_publish(packet.message, packet.packet_id, packet.message.duplicate, out);
}

void encode(const Puback& packet, std::string& out) {
  put_u8(out, first_byte(PacketType::Puback));
  if (packet.reason_string.empty()) {
    // The short forms: success may leave out the reason, no properties their length.
    const bool success = packet.reason == ReasonCode::Success;
    put_u8(out, success ? 2 : 3);
    put_u16(out, packet.packet_id);
    if (!success) put_u8(out, static_cast<std::uint8_t>(packet.reason));
    return;
  }
  std::string properties;
  put_text_property(properties, Property::ReasonString, packet.reason_string);
  put_varint(out, 3 + varint_size(properties.size()) + properties.size());
  put_u16(out, packet.packet_id);
  put_u8(out, static_cast<std::uint8_t>(packet.reason));
  put_section(out, properties);
}

void encode(const Subscribe& packet, std::string& out) {
  std::string body;
  put_u16(body, packet.packet_id);
  put_section(body, {});
  for (const Subscribe::Filter& filter : packet.filters) {
    put_text(body, filter.filter);
    put_u8(body, static_cast<std::uint8_t>(filter.qos));
  }
  put_packet(out, first_byte(PacketType::Subscribe, 0x02), body);
}

void encode(const Suback& packet, std::string& out) {
  encode_reasons(PacketType::Suback, packet.packet_id, packet.reason_string, packet.reasons, out);
}

void encode(const Unsubscribe& packet, std::string& out) {
  std::string body;
  put_u16(body, packet.packet_id);
  put_section(body, {});
  for (const std::string& filter : packet.filters) put_text(body, filter);
  put_packet(out, first_byte(PacketType::Unsubscribe, 0x02), body);
}

void encode(const Unsuback& packet, std::string& out) {
  encode_reasons(PacketType::Unsuback, packet.packet_id, packet.reason_string, packet.reasons, out);
}

void encode(const Pingreq&, std::string& out) {
  put_packet(out, first_byte(PacketType::Pingreq), {});
}
void encode(const Pingresp&, std::string& out) {
  put_packet(out, first_byte(PacketType::Pingresp), {});
}

void encode(const Disconnect& packet, std::string& out) {
  std::string properties;
  if (packet.session_expiry_s) {
    put_u32_property(properties, Property::SessionExpiryInterval, *packet.session_expiry_s);
  }
  put_text_property(properties, Property::ReasonString, packet.reason_string);
  put_text_property(properties, Property::ServerReference, packet.server_reference);
  std::string body;
  if (!properties.empty() || packet.reason != ReasonCode::Success) {
    put_u8(body, static_cast<std::uint8_t>(packet.reason));
  }
  if (!properties.empty()) put_section(body, properties);
  put_packet(out, first_byte(PacketType::Disconnect), body);
}

void encode(const Packet& packet, std::string& out) {
  std::visit([&out](const auto& kind) { encode(kind, out); }, packet);
}

}  // namespace spate::mqtt
