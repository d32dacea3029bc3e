// SPDX-License-Identifier: Apache-2.0
//
// Settings and counters of mqtt::Client and of the Session inside it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "spate/base/clock.h"
#include "spate/mqtt/messages.h"

namespace spate::mqtt {

struct ClientOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;
  std::string client_id{};  // required; a session is known to the broker by it
  std::string username{};   // "" = none
  std::string password{};
  bool clean_start = false;               // of the first connect; later ones always resume
  std::uint32_t session_expiry_s = 300;   // 0 = the session ends with the connection
  std::uint16_t receive_maximum = 65535;  // what the broker may have in flight to this client
  std::uint32_t maximum_packet_bytes = 64U << 20;  // larger packets are a protocol error
  std::chrono::seconds keep_alive{15};
  Duration connect_timeout = std::chrono::seconds(5);
  Duration backoff_first = std::chrono::milliseconds(50);
  Duration backoff_max = std::chrono::seconds(2);
  std::size_t max_outbox_messages = 1'000'000;
  std::size_t max_outbox_bytes = 256U << 20;
  std::uint64_t seed = 1;  // for the backoff's jitter
};

// Called once per accepted QoS 1 publish, when the broker has acknowledged it, possibly with an
// error reason code: PacketTooLarge also when the broker, met only after the publish was accepted,
// takes no packet of that size. Not called for what is still unacknowledged at stop().
using Published = std::function<void(ReasonCode)>;

struct Subscription {
  std::string filter{};
  Qos qos = Qos::AtLeastOnce;
};

struct ClientStats {
  std::uint64_t connects = 0;
  std::uint64_t disconnects = 0;       // sessions that were up and lost their link
  std::uint64_t connect_failures = 0;  // attempts that did not get as far
  std::uint64_t messages_in = 0;
  std::uint64_t messages_out = 0;
  std::uint64_t redelivered_in = 0;  // DUP messages swallowed because their handle was still open
  std::uint64_t resent_out = 0;
  std::uint64_t refused_out = 0;      // QoS 1 publishes the broker acknowledged with an error
  std::uint64_t void_acks = 0;        // ack() of messages of a session the broker has lost since
  std::uint64_t stray_acks = 0;       // PUBACKs of identifiers that are not in use
  std::size_t outbox_messages = 0;    // waiting or unacknowledged now
  std::size_t unacknowledged_in = 0;  // delivered, not yet acknowledged by the application
};

}  // namespace spate::mqtt
