// SPDX-License-Identifier: Apache-2.0
//
// Outbox: the QoS 1 publishes the broker has not acknowledged, and the packet identifiers. Part
// of Session.
//
// A message waits, is sent under an identifier, and leaves when that is acknowledged. Messages
// are sent, and sent again, in the order they were accepted. After a lost link what was sent
// goes again under the same identifiers (link_lost), or, when the broker has lost the session,
// under new ones (session_lost).
//
// Identifiers are handed out in ascending order, 65535 is followed by 1, and SUBSCRIBE and
// UNSUBSCRIBE draw from the same row [MQTT-2.2.1-3]. The oldest one in use bounds the row: at
// most 65 534 identifiers are handed out past it.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "spate/base/result.h"
#include "spate/mqtt/options.h"

namespace spate::mqtt {

class Outbox {
 public:
  struct Entry {
    Message message;
    Published done;
    std::size_t bytes = 0;        // as a packet
    std::uint16_t packet_id = 0;  // 0 while waiting
    bool on_this_link = false;    // sent since the link came up
    bool sent_before = false;     // sent on an earlier link under this identifier: goes with DUP
    bool resent = false;          // sent on any earlier link
  };

  Outbox(std::size_t max_messages, std::size_t max_bytes)
      : max_messages_(max_messages), max_bytes_(max_bytes) {}

  // Takes a message of `bytes` as a packet. Exhausted, and `message` is lost, when there is no
  // room.
  Status accept(Message message, Published done, std::size_t bytes);

  // The entry to send now, or null: none is left, `receive_maximum` are unacknowledged on this
  // link already, or no identifier is free. It counts as sent with the return.
  const Entry* next(std::uint16_t receive_maximum);
  // Takes out the entry that next() has just returned, unsent: it can never be sent.
  Entry reject(const Entry& entry);

  // The broker has acknowledged `packet_id`; nothing when no message has it.
  std::optional<Entry> acknowledged(std::uint16_t packet_id);

  // An identifier for a SUBSCRIBE or UNSUBSCRIBE, until control_done() or the link is lost;
  // nothing when none is free.
  std::optional<std::uint16_t> take_control_id();
  bool control_done(std::uint16_t packet_id);  // false when it was not handed out

  void link_lost();     // the session may come back
  void session_lost();  // it did not: after link_lost()

  std::size_t messages() const { return messages_; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Slot {
    std::unique_ptr<Entry> entry;  // null: a control packet's, or free when !control
    bool control = false;
    bool used() const { return entry != nullptr || control; }
  };

  Slot* find(std::uint16_t packet_id);
  std::uint16_t id_at(std::size_t index) const;
  bool row_full() const { return slots_.size() >= 65534; }
  void drop_free_front();

  std::size_t max_messages_;
  std::size_t max_bytes_;
  std::size_t messages_ = 0;  // in slots_ and waiting_
  std::size_t bytes_ = 0;
  std::size_t on_link_ = 0;  // unacknowledged and sent on this link
  std::deque<std::unique_ptr<Entry>> waiting_;
  std::deque<Slot> slots_;          // of consecutive identifiers
  std::uint16_t first_id_ = 1;      // of slots_.front()
  std::size_t next_to_resend_ = 0;  // everything in slots_ before it was sent on this link
};

}  // namespace spate::mqtt
