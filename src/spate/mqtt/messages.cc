// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/messages.h"

#include <fmt/format.h>

namespace spate::mqtt {
namespace {

struct ReasonName {
  std::uint8_t code;
  std::string_view name;
};

// MQTT 5, section 2.4, failures only: below 0x80 a code's meaning depends on its packet.
constexpr ReasonName kReasonNames[] = {
    {0x80, "unspecified error"},
    {0x81, "malformed packet"},
    {0x82, "protocol error"},
    {0x83, "implementation specific error"},
    {0x84, "unsupported protocol version"},
    {0x85, "client identifier not valid"},
    {0x86, "bad user name or password"},
    {0x87, "not authorized"},
    {0x88, "server unavailable"},
    {0x89, "server busy"},
    {0x8A, "banned"},
    {0x8B, "server shutting down"},
    {0x8C, "bad authentication method"},
    {0x8D, "keep alive timeout"},
    {0x8E, "session taken over by another client with the same identifier"},
    {0x8F, "topic filter invalid"},
    {0x90, "topic name invalid"},
    {0x91, "packet identifier in use"},
    {0x92, "packet identifier not found"},
    {0x93, "receive maximum exceeded"},
    {0x94, "topic alias invalid"},
    {0x95, "packet too large"},
    {0x96, "message rate too high"},
    {0x97, "quota exceeded"},
    {0x98, "administrative action"},
    {0x99, "payload format invalid"},
    {0x9A, "retain not supported"},
    {0x9B, "QoS not supported"},
    {0x9C, "use another server"},
    {0x9D, "server moved"},
    {0x9E, "shared subscriptions not supported"},
    {0x9F, "connection rate exceeded"},
    {0xA0, "maximum connect time"},
    {0xA1, "subscription identifiers not supported"},
    {0xA2, "wildcard subscriptions not supported"},
};

}  // namespace

const std::string* Message::user_property(std::string_view name) const {
  for (const auto& [key, value] : user_properties) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string to_string(ReasonCode reason) {
  const auto code = static_cast<std::uint8_t>(reason);
  for (const ReasonName& entry : kReasonNames) {
    if (entry.code == code) return fmt::format("{} (0x{:02X})", entry.name, code);
  }
  return fmt::format("{} (0x{:02X})", code < 0x80 ? "success" : "unknown reason", code);
}

}  // namespace spate::mqtt
