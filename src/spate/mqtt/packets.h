// SPDX-License-Identifier: Apache-2.0
//
// MQTT 5 control packets as plain values. Used by the codec, the session and tests; users of
// mqtt::Client see Message only. QoS 2, wills, topic aliases and extended authentication are
// not part of this client and have no representation here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spate/mqtt/messages.h"

namespace spate::mqtt {

enum class PacketType : std::uint8_t {
  Connect = 1,
  Connack = 2,
  Publish = 3,
  Puback = 4,
  Pubrec = 5,
  Pubrel = 6,
  Pubcomp = 7,
  Subscribe = 8,
  Suback = 9,
  Unsubscribe = 10,
  Unsuback = 11,
  Pingreq = 12,
  Pingresp = 13,
  Disconnect = 14,
  Auth = 15,
};

struct Connect {
  std::string client_id;
  std::optional<std::string> username;
  std::optional<std::string> password;
  bool clean_start = false;
  std::uint16_t keep_alive_s = 0;      // 0 = none
  std::uint32_t session_expiry_s = 0;  // 0 = the session ends with the connection
  std::uint16_t receive_maximum = 65535;
  std::optional<std::uint32_t> maximum_packet_bytes;
};

struct Connack {
  bool session_present = false;
  ReasonCode reason = ReasonCode::Success;
  std::string reason_string;
  std::optional<std::uint32_t> session_expiry_s;  // absent: as asked for
  std::uint16_t receive_maximum = 65535;
  std::uint8_t maximum_qos = 2;
  bool retain_available = true;
  std::optional<std::uint32_t> maximum_packet_bytes;
  std::optional<std::uint16_t> server_keep_alive_s;
  std::string assigned_client_id;
};

struct Publish {
  std::uint16_t packet_id = 0;  // 0 for QoS 0
  Message message;
};

struct Puback {
  std::uint16_t packet_id = 0;
  ReasonCode reason = ReasonCode::Success;
  std::string reason_string;
};

struct Subscribe {
  struct Filter {
    std::string filter;
    Qos qos = Qos::AtLeastOnce;
  };
  std::uint16_t packet_id = 0;
  std::vector<Filter> filters;
};

struct Suback {
  std::uint16_t packet_id = 0;
  std::vector<ReasonCode> reasons;  // one a filter: the granted QoS (0 to 2), or a failure
  std::string reason_string;
};

struct Unsubscribe {
  std::uint16_t packet_id = 0;
  std::vector<std::string> filters;
};

struct Unsuback {
  std::uint16_t packet_id = 0;
  std::vector<ReasonCode> reasons;
  std::string reason_string;
};

struct Pingreq {};
struct Pingresp {};

struct Disconnect {
  ReasonCode reason = ReasonCode::Success;
  std::string reason_string;
  std::optional<std::uint32_t> session_expiry_s;
  std::string server_reference;
};

using Packet = std::variant<Connect, Connack, Publish, Puback, Subscribe, Suback, Unsubscribe,
                            Unsuback, Pingreq, Pingresp, Disconnect>;

}  // namespace spate::mqtt
