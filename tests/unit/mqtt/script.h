// SPDX-License-Identifier: Apache-2.0
//
// Script: plays broker, transport, application and time for one Session, so that a test reads
// as a conversation:
//
//   Script script;
//   script.connect();
//   script.say(publish(1, "a"));                       // the broker speaks
//   const AckHandle a = script.only<Delivered>().handle;
//   script.session.ack(a, ReasonCode::Success);        // the application acts
//   EXPECT_EQ(script.heard<Puback>().packet_id, 1);    // what the broker hears
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "spate/base/virtual_clock.h"
#include "spate/mqtt/session.h"

namespace spate::mqtt::test {

inline ClientOptions default_options() {
  ClientOptions options;
  options.client_id = "me";
  return options;
}

class Script {
 public:
  explicit Script(ClientOptions options = default_options()) : session(std::move(options)) {}

  // Starts, or goes on after the backoff, up to and including CONNACK; drops what follows from
  // that. Returns the CONNECT.
  Connect connect(Connack connack = {}) {
    Connect connect = open();
    say(std::move(connack));
    actions();
    return connect;
  }
  void reconnect(bool resumed) {
    clock.run_until(session.deadline());
    session.tick(clock.now());
    Connack connack;
    connack.session_present = resumed;
    open_link();
    heard<Connect>();
    say(connack);
  }
  Connect open() {
    session.start(clock.now());
    open_link();
    return heard<Connect>();
  }
  void open_link() {
    only<OpenLink>();
    session.link_opened(clock.now());
  }
  void drop_link() { session.link_lost({ErrorCode::Unavailable, "gone"}, clock.now()); }

  void say(const Packet& packet) {
    std::string bytes;
    encode(packet, bytes);
    session.received(bytes, clock.now());
  }

  // Everything the client has written since the last call.
  std::vector<Packet> all_heard() {
    std::string bytes;
    while (session.take_output(bytes, clock.now())) {
      reader_.append(bytes);
      bytes.clear();
    }
    return read();
  }
  // The one packet the client has written, of that kind.
  template <class Kind>
  Kind heard() {
    return single<Kind>(all_heard());
  }
  // Of `text`, which must be whole packets.
  std::vector<Packet> parse(const std::string& text) {
    reader_.append(text);
    return read();
  }

  std::vector<Action> actions() {
    std::vector<Action> taken;
    session.take_actions(taken);
    return taken;
  }
  // The one action the session asks for, of that kind.
  template <class Kind>
  Kind only() {
    return single<Kind>(actions());
  }
  // All pending actions, which must be of that kind.
  template <class Kind>
  std::vector<Kind> all() {
    return of_kind<Kind>(actions());
  }

  template <class Kind, class Variant>
  static std::vector<Kind> of_kind(std::vector<Variant> items) {
    std::vector<Kind> kinds;
    for (Variant& item : items) {
      EXPECT_TRUE(std::holds_alternative<Kind>(item)) << "index " << item.index();
      if (std::holds_alternative<Kind>(item)) kinds.push_back(std::get<Kind>(std::move(item)));
    }
    return kinds;
  }
  template <class Kind, class Variant>
  static Kind single(std::vector<Variant> items) {
    EXPECT_EQ(items.size(), 1U);
    std::vector<Kind> kinds = of_kind<Kind>(std::move(items));
    return kinds.empty() ? Kind{} : std::move(kinds.front());
  }

  VirtualClock clock;
  Session session;

 private:
  std::vector<Packet> read() {
    std::vector<Packet> packets;
    Packet packet;
    PacketReader::Next next;
    while ((next = reader_.next(packet)) == PacketReader::Next::Ready) packets.push_back(packet);
    EXPECT_EQ(next, PacketReader::Next::NeedMore) << reader_.error().message;
    EXPECT_EQ(reader_.buffered(), 0U) << "half a packet";
    return packets;
  }

  PacketReader reader_{64U << 20};
};

// A QoS 1 message from the broker.
inline Publish publish(std::uint16_t packet_id, const std::string& payload,
                       bool duplicate = false) {
  Publish packet;
  packet.packet_id = packet_id;
  packet.message.topic = "in";
  packet.message.payload = payload;
  packet.message.duplicate = duplicate;
  return packet;
}

// A message to the broker.
inline Message message(const std::string& payload, Qos qos = Qos::AtLeastOnce) {
  Message out;
  out.topic = "out";
  out.payload = payload;
  out.qos = qos;
  return out;
}

inline std::vector<std::string> payloads(const std::vector<Publish>& packets) {
  std::vector<std::string> texts;
  for (const Publish& packet : packets) texts.push_back(packet.message.payload);
  return texts;
}

}  // namespace spate::mqtt::test
