// SPDX-License-Identifier: Apache-2.0
//
// Inbox: the QoS 1 messages that arrived and whose PUBACK has not been sent, so that PUBACKs
// leave in the order of arrival whatever the order of the acknowledgements. Part of Session.
//
// After a lost link the broker delivers again what it has no PUBACK for. Such a message keeps
// its handle while that is open: it is not given to the application again, and its PUBACK goes
// out on the new link, in the new order of arrival. A message is the same if it has DUP set, the
// same packet identifier and the same content (topic, correlation data, size and ends of the
// payload); a broker restored from an older state may use an identifier anew, and then the old
// handle is void.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "spate/mqtt/packets.h"

namespace spate::mqtt {

class Inbox {
 public:
  enum class Verdict {
    Deliver,        // new to the application
    Swallow,        // delivered before, its handle is open (or acknowledged, the PUBACK to come)
    ProtocolError,  // another message under an identifier that is in use on this link
  };
  struct Arrival {
    Verdict verdict = Verdict::Deliver;
    AckHandle handle = AckHandle::None;  // of a delivered message
  };

  // Accepts any number in flight: brokers overrun Receive Maximum (mosquitto before 2.0.13).
  Arrival arrived(std::uint16_t packet_id, const Message& message);

  // True when `handle` was open; false when it is void (its session was lost). A SPATE_CHECK
  // guards against one that was never given out or was acknowledged before.
  bool acknowledge(AckHandle handle, ReasonCode reason);

  // The PUBACK to send next, in the order of arrival on this link; nothing when the oldest
  // message is not acknowledged yet. It counts as sent with the return.
  std::optional<Puback> next_puback();

  void link_lost();     // the session may come back
  void session_lost();  // it did not: every open handle is void

  // Delivered, not acknowledged by the application and not void.
  std::size_t open() const { return open_; }

 private:
  struct Record {
    AckHandle handle = AckHandle::None;
    std::uint64_t fingerprint = 0;
    bool acknowledged = false;
    bool on_this_link = false;
    ReasonCode reason = ReasonCode::Success;
  };

  void make_void(const Record& record);

  std::unordered_map<std::uint16_t, Record> records_;  // by packet identifier
  std::deque<std::uint16_t> order_;                    // of arrival on this link
  std::unordered_set<AckHandle> void_;                 // still in the application's hands
  std::uint64_t next_sequence_ = 1;
  std::size_t open_ = 0;
};

}  // namespace spate::mqtt
