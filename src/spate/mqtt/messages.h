// SPDX-License-Identifier: Apache-2.0
//
// What a user of mqtt::Client sees of MQTT 5.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spate::mqtt {

enum class Qos : std::uint8_t { AtMostOnce = 0, AtLeastOnce = 1 };

// An application message with the MQTT 5 properties that Spate uses.
struct Message {
  std::string topic{};
  std::string payload{};
  Qos qos = Qos::AtLeastOnce;
  bool retain = false;
  bool duplicate = false;  // received only: the broker sent it before
  std::string content_type{};
  std::string response_topic{};
  std::string correlation_data{};
  std::optional<std::uint32_t> expiry_s{};
  std::vector<std::pair<std::string, std::string>>
      user_properties{};  // order kept, names may repeat

  // First user property of that name.
  const std::string* user_property(std::string_view name) const;
};

// Names a received QoS 1 message until it is acknowledged. Valid across reconnects of the same
// client object: after a session was resumed, a redelivered message that has not been
// acknowledged yet keeps its handle and is not delivered to the application again.
enum class AckHandle : std::uint64_t { None = 0 };

// Reason codes of MQTT 5 that a caller acts on; any other value may occur too.
enum class ReasonCode : std::uint8_t {
  Success = 0x00,
  NoMatchingSubscribers = 0x10,
  UnspecifiedError = 0x80,
  MalformedPacket = 0x81,
  ProtocolError = 0x82,
  BadUserNameOrPassword = 0x86,
  NotAuthorized = 0x87,
  ServerShuttingDown = 0x8B,
  SessionTakenOver = 0x8E,
  PacketTooLarge = 0x95,
  QuotaExceeded = 0x97,
};

constexpr bool is_failure(ReasonCode reason) { return static_cast<std::uint8_t>(reason) >= 0x80; }

// "not authorized (0x87)": the standard's words for failures, "success (0x..)" below 0x80.
std::string to_string(ReasonCode reason);

}  // namespace spate::mqtt
