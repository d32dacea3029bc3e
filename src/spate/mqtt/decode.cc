// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "spate/base/check.h"
#include "spate/mqtt/bytes.h"
#include "spate/mqtt/codec.h"
#include "spate/mqtt/properties.h"

namespace spate::mqtt {
namespace {

bool has_wildcards(std::string_view topic) {
  return topic.find_first_of("+#") != std::string_view::npos;
}

std::uint16_t read_packet_id(ByteReader& body) {
  const std::uint16_t id = body.u16();
  if (id == 0) body.protocol_error("packet identifier 0");
  return id;
}

void skip(Property, const PropertyValue&) {}

void read(ByteReader& body, Connect& packet) {
  if (body.text() != "MQTT" || body.u8() != 5) body.protocol_error("not MQTT 5");
  const std::uint8_t flags = body.u8();
  if ((flags & 0x01) != 0) body.malformed("reserved flag");
  if ((flags & 0x3C) != 0) body.protocol_error("wills are not supported");
  packet.clean_start = (flags & 0x02) != 0;
  packet.keep_alive_s = body.u16();
  read_properties(body, PacketType::Connect, [&](Property property, const PropertyValue& value) {
    if (property == Property::SessionExpiryInterval) packet.session_expiry_s = value.number;
    if (property == Property::ReceiveMaximum) {
      packet.receive_maximum = static_cast<std::uint16_t>(value.number);
    }
    if (property == Property::MaximumPacketSize) packet.maximum_packet_bytes = value.number;
  });
  packet.client_id = body.text();
  if ((flags & 0x80) != 0) packet.username = std::string(body.text());
  if ((flags & 0x40) != 0) packet.password = std::string(body.binary());
}

void read(ByteReader& body, Connack& packet) {
  const std::uint8_t flags = body.u8();
  if ((flags & 0xFE) != 0) body.malformed("reserved flags");
  packet.session_present = (flags & 0x01) != 0;
  packet.reason = static_cast<ReasonCode>(body.u8());
  if (packet.session_present && packet.reason != ReasonCode::Success) {
    body.protocol_error("a refusal with a session");
  }
  read_properties(body, PacketType::Connack, [&](Property property, const PropertyValue& value) {
    switch (property) {
      case Property::SessionExpiryInterval:
        packet.session_expiry_s = value.number;
        break;
      case Property::ReceiveMaximum:
        packet.receive_maximum = static_cast<std::uint16_t>(value.number);
        break;
      case Property::MaximumQos:
        packet.maximum_qos = static_cast<std::uint8_t>(value.number);
        break;
      case Property::RetainAvailable:
        packet.retain_available = value.number != 0;
        break;
      case Property::MaximumPacketSize:
        packet.maximum_packet_bytes = value.number;
        break;
      case Property::AssignedClientIdentifier:
        packet.assigned_client_id = value.text;
        break;
      case Property::ServerKeepAlive:
        packet.server_keep_alive_s = static_cast<std::uint16_t>(value.number);
        break;
      case Property::ReasonString:
        packet.reason_string = value.text;
        break;
      default:
        break;
    }
  });
}

void read_publish(ByteReader& body, std::uint8_t flags, Publish& packet) {
  Message& message = packet.message;
  const unsigned qos = (flags >> 1) & 0x03U;
  message.duplicate = (flags & 0x08) != 0;
  message.retain = (flags & 0x01) != 0;
  if (qos == 3) return body.malformed("QoS 3");
  if (qos == 2) return body.protocol_error("QoS 2 was not asked for");
  if (qos == 0 && message.duplicate) return body.malformed("DUP with QoS 0");
  message.qos = static_cast<Qos>(qos);
  message.topic = body.text();
  if (qos > 0) packet.packet_id = read_packet_id(body);
  if (has_wildcards(message.topic)) body.malformed("wildcards in a topic name");
  read_properties(body, PacketType::Publish, [&](Property property, const PropertyValue& value) {
    switch (property) {
      case Property::MessageExpiryInterval:
        message.expiry_s = value.number;
        break;
      case Property::ContentType:
        message.content_type = value.text;
        break;
      case Property::ResponseTopic:
        if (has_wildcards(value.text)) body.protocol_error("wildcards in a response topic");
        message.response_topic = value.text;
        break;
      case Property::CorrelationData:
        message.correlation_data = value.text;
        break;
      case Property::TopicAlias:
        body.protocol_error("a topic alias was not asked for");
        break;
      case Property::UserProperty:
        message.user_properties.emplace_back(value.text, value.second);
        break;
      default:
        break;
    }
  });
  if (message.topic.empty()) body.protocol_error("an empty topic name");
  message.payload = body.take_rest();
}

void read(ByteReader& body, Puback& packet) {
  packet.packet_id = read_packet_id(body);
  if (body.empty()) return;
  packet.reason = static_cast<ReasonCode>(body.u8());
  if (body.empty()) return;
  read_properties(body, PacketType::Puback, [&](Property property, const PropertyValue& value) {
    if (property == Property::ReasonString) packet.reason_string = value.text;
  });
}

void read(ByteReader& body, Subscribe& packet) {
  packet.packet_id = read_packet_id(body);
  read_properties(body, PacketType::Subscribe, skip);
  do {
    Subscribe::Filter filter;
    filter.filter = body.text();
    const std::uint8_t options = body.u8();
    if ((options & 0xC0) != 0) body.malformed("reserved subscription options");
    if ((options & 0x03) > 1) body.protocol_error("QoS 2 is not supported");
    filter.qos = static_cast<Qos>(options & 0x01);
    packet.filters.push_back(std::move(filter));
  } while (body.ok() && !body.empty());
}

void read(ByteReader& body, Unsubscribe& packet) {
  packet.packet_id = read_packet_id(body);
  read_properties(body, PacketType::Unsubscribe, skip);
  do {
    packet.filters.emplace_back(body.text());
  } while (body.ok() && !body.empty());
}

// SUBACK and UNSUBACK: at least one reason code.
template <class Ack>
void read_reasons(ByteReader& body, PacketType type, Ack& packet) {
  packet.packet_id = read_packet_id(body);
  read_properties(body, type, [&](Property property, const PropertyValue& value) {
    if (property == Property::ReasonString) packet.reason_string = value.text;
  });
  do {
    packet.reasons.push_back(static_cast<ReasonCode>(body.u8()));
  } while (body.ok() && !body.empty());
}

void read(ByteReader& body, Disconnect& packet) {
  if (body.empty()) return;
  packet.reason = static_cast<ReasonCode>(body.u8());
  if (body.empty()) return;
  read_properties(body, PacketType::Disconnect, [&](Property property, const PropertyValue& value) {
    if (property == Property::SessionExpiryInterval) packet.session_expiry_s = value.number;
    if (property == Property::ReasonString) packet.reason_string = value.text;
    if (property == Property::ServerReference) packet.server_reference = value.text;
  });
}

void read_by_type(ByteReader& body, PacketType type, std::uint8_t flags, Packet& out) {
  const std::uint8_t wanted_flags =
      type == PacketType::Subscribe || type == PacketType::Unsubscribe ? 0x02 : 0x00;
  if (type == PacketType::Publish) return read_publish(body, flags, out.emplace<Publish>());
  if (type == PacketType::Auth) return body.protocol_error("no authentication was asked for");
  if (type == PacketType::Pubrec || type == PacketType::Pubrel || type == PacketType::Pubcomp) {
    return body.protocol_error("QoS 2 was not asked for");
  }
  if (flags != wanted_flags) return body.malformed("wrong flags");
  switch (type) {
    case PacketType::Connect:
      return read(body, out.emplace<Connect>());
    case PacketType::Connack:
      return read(body, out.emplace<Connack>());
    case PacketType::Puback:
      return read(body, out.emplace<Puback>());
    case PacketType::Subscribe:
      return read(body, out.emplace<Subscribe>());
    case PacketType::Suback:
      return read_reasons(body, type, out.emplace<Suback>());
    case PacketType::Unsubscribe:
      return read(body, out.emplace<Unsubscribe>());
    case PacketType::Unsuback:
      return read_reasons(body, type, out.emplace<Unsuback>());
    case PacketType::Pingreq:
      out.emplace<Pingreq>();
      return;
    case PacketType::Pingresp:
      out.emplace<Pingresp>();
      return;
    case PacketType::Disconnect:
      return read(body, out.emplace<Disconnect>());
    default:
      return body.malformed("unknown packet type");
  }
}

std::string_view name_of(PacketType type) {
  static constexpr std::string_view kNames[] = {"reserved",  "CONNECT",  "CONNACK",     "PUBLISH",
                                                "PUBACK",    "PUBREC",   "PUBREL",      "PUBCOMP",
                                                "SUBSCRIBE", "SUBACK",   "UNSUBSCRIBE", "UNSUBACK",
                                                "PINGREQ",   "PINGRESP", "DISCONNECT",  "AUTH"};
  return kNames[static_cast<std::size_t>(type) & 0x0F];
}

}  // namespace

std::optional<CodecError> decode_body(PacketType type, std::uint8_t flags, std::string_view bytes,
                                      Packet& out) {
  ByteReader body(bytes);
  read_by_type(body, type, flags, out);
  if (body.ok() && !body.empty()) body.malformed("bytes after its end");
  if (body.ok()) return std::nullopt;
  CodecError error = std::move(body.error());
  error.message = fmt::format("{}: {}", name_of(type), error.message);
  return error;
}

PacketReader::PacketReader(std::size_t maximum_packet_bytes)
    : maximum_packet_bytes_(maximum_packet_bytes) {}

std::span<char> PacketReader::prepare(std::size_t wish) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (capacity_ - end_ < wish && begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (capacity_ - end_ < wish) {
    const std::size_t capacity = std::max(end_ + wish, capacity_ * 2);
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (end_ > 0) std::memcpy(larger.get(), buffer_.get(), end_);
    buffer_ = std::move(larger);
    capacity_ = capacity;
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

void PacketReader::commit(std::size_t count) {
  SPATE_CHECK(count <= capacity_ - end_, "more bytes committed than prepared");
  end_ += count;
}

void PacketReader::append(std::string_view bytes) {
  if (bytes.empty()) return;
  std::memcpy(prepare(bytes.size()).data(), bytes.data(), bytes.size());
  commit(bytes.size());
}

PacketReader::Next PacketReader::next(Packet& out) {
  if (broken_) return Next::Broken;
  const auto broken = [this](CodecError error) {
    broken_ = true;
    error_ = std::move(error);
    return Next::Broken;
  };
  const char* data = buffer_.get() + begin_;
  const std::size_t available = end_ - begin_;
  std::size_t remaining = 0;
  std::size_t header = 1;
  for (;; ++header) {
    if (header >= available) return Next::NeedMore;
    const auto byte = static_cast<std::uint8_t>(data[header]);
    remaining |= static_cast<std::size_t>(byte & 0x7F) << (7 * (header - 1));
    if ((byte & 0x80) == 0) {
      if (byte == 0 && header > 1) {
        return broken({ReasonCode::MalformedPacket, "an over-long packet length"});
      }
      break;
    }
    if (header == 4) {
      return broken({ReasonCode::MalformedPacket, "a packet length of more than four bytes"});
    }
  }
  ++header;  // from the last byte's index to the number of bytes
  const auto first = static_cast<std::uint8_t>(data[0]);
  const auto type = static_cast<PacketType>(first >> 4);
  if (header + remaining > maximum_packet_bytes_) {
    return broken({ReasonCode::PacketTooLarge,
                   fmt::format("{} of {} bytes; at most {} were asked for", name_of(type),
                               header + remaining, maximum_packet_bytes_)});
  }
  if (available - header < remaining) return Next::NeedMore;
  auto error = decode_body(type, first & 0x0F, std::string_view(data + header, remaining), out);
  if (error) return broken(std::move(*error));
  begin_ += header + remaining;
  return Next::Ready;
}

void PacketReader::reset() {
  begin_ = end_ = 0;
  broken_ = false;
  error_ = {};
  // A single huge packet must not hold its memory for the rest of the client's life.
  constexpr std::size_t kKeep = 1U << 20;
  if (capacity_ > kKeep) {
    buffer_.reset();
    capacity_ = 0;
  }
}

}  // namespace spate::mqtt
