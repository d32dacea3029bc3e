// SPDX-License-Identifier: Apache-2.0
//
// Publisher: publishes through an mqtt::Client without ever being refused for lack of room. What
// would overfill the client's outbox waits here, in order, until the broker has acknowledged
// enough. ModelSession and the single-topic session publish through it.
//
// What can wait is bounded by who uses it: each message answers (or forwards) one received
// message that has not been acknowledged, and those are bounded by the Receive Maximum.
//
// Threads: the loop's.
#pragma once

#include <cstdint>
#include <deque>

#include "spate/gateway/slot_pool.h"
#include "spate/mqtt/client.h"

namespace spate::gateway {

class Publisher {
 public:
  // Borrows the client.
  explicit Publisher(mqtt::Client& client) : client_(client) {}

  // QoS 1. `done` is called exactly once, with the broker's reason code, or at once with
  // UnspecifiedError when the client does not take such a message (bad topic, too large); never
  // when the client is stopped before.
  void publish(mqtt::Message message, mqtt::Published done);
  // QoS 0. False when it was dropped (no connection).
  bool publish_unacknowledged(mqtt::Message message);

  bool idle() const { return pool_.size() == 0 && waiting_.empty(); }
  std::size_t unacknowledged() const { return pool_.size() + waiting_.size(); }

  // Below the client's own bounds, so that it never refuses.
  static constexpr std::size_t kMaxMessages = 500'000;
  static constexpr std::size_t kMaxBytes = 64U << 20;

 private:
  struct Outgoing {
    std::uint32_t generation = 0;
    std::uint32_t next = kNil;
    std::size_t bytes = 0;
    mqtt::Published done;
  };
  struct Waiting {
    mqtt::Message message;
    mqtt::Published done;
  };

  bool has_room() const { return pool_.size() < kMaxMessages && bytes_ < kMaxBytes; }
  void send(mqtt::Message message, mqtt::Published done);
  void acknowledged(std::uint32_t slot, mqtt::ReasonCode reason);

  mqtt::Client& client_;
  SlotPool<Outgoing> pool_;
  std::size_t bytes_ = 0;
  std::deque<Waiting> waiting_;
};

// Whether a PUBACK's reason code says that the broker did not take the message.
constexpr bool is_refusal(mqtt::ReasonCode reason) {
  return static_cast<std::uint8_t>(reason) >= 0x80;
}

}  // namespace spate::gateway
