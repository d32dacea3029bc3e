// SPDX-License-Identifier: Apache-2.0
//
// Session: the whole of an MQTT 5 client except its socket: events and a time in, actions out.
// Client drives it from Boost.Asio; tests drive it by hand.
//
//   event in                        what comes out
//   start, tick                     OpenLink, at once or when the backoff is over
//   link_opened                     CONNECT in take_output()
//   received                        Connected, Delivered, Acknowledged, Subscribed, ...; PUBACKs
//   link_lost, tick (dead link)     Disconnected, CloseLink
//   publish, ack, subscribe, ...    bytes in take_output()
//
// After every event take both the actions and the output, and call tick() at deadline().
//
// States: idle -> opening -> greeting (CONNECT sent) -> up -> waiting (backoff) -> opening ...
// stopped is final.
//
// Guarantees:
// - QoS 1 out: an accepted message is sent until the broker acknowledges it, in order of
//   publish(), at most the broker's Receive Maximum unacknowledged at a time. A lost session
//   makes it start anew under a new identifier; it may then arrive twice, never not at all.
// - QoS 1 in: a message is delivered once for as long as its handle is open; PUBACKs leave in
//   the order of arrival, each after its ack(). A message may come again when its PUBACK was
//   lost with the link, and after a lost session.
// - Dead link: PINGREQ after 3/4 of the keep-alive without sending, or without receiving
//   anything; the link is given up when another half of it passes without a byte.
// - Backoff: backoff_first * 2^n up to backoff_max, times a seeded jitter in [0.5, 1). It
//   starts over once a session has been up for backoff_max. After the session was taken over by
//   another client it is backoff_max at once, so that two clients of one identifier do not
//   chase each other.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/base/rng.h"
#include "spate/mqtt/codec.h"
#include "spate/mqtt/inbox.h"
#include "spate/mqtt/options.h"
#include "spate/mqtt/outbox.h"

namespace spate::mqtt {

// Connect the transport to options.host and port, then call link_opened() or link_lost().
struct OpenLink {};
// Write `farewell`, then close the link; when it is empty, drop the link at once. No event of
// that link may follow.
struct CloseLink {
  std::string farewell;
};
struct Connected {
  bool resumed = false;
  std::uint32_t session_expiry_s = 0;  // as granted
};
struct Disconnected {
  Error why;
  Duration retry_in{};
};
struct Delivered {
  Message message;
  AckHandle handle = AckHandle::None;
};
struct Subscribed {
  Subscription subscription;
  Status outcome = ok();
};
struct Acknowledged {
  Published done;  // not null
  ReasonCode reason = ReasonCode::Success;
};
using Action =
    std::variant<OpenLink, CloseLink, Connected, Disconnected, Delivered, Subscribed, Acknowledged>;

class Session {
 public:
  // Requires a client identifier.
  explicit Session(ClientOptions options);

  // --- events of the link ---------------------------------------------------------------------
  void start(TimePoint now);
  void stop();  // final: DISCONNECT in a CloseLink, all other pending actions are dropped
  void link_opened(TimePoint now);
  void link_lost(const Error& why, TimePoint now);
  std::span<char> prepare_input(std::size_t wish) { return reader_.prepare(wish); }
  void received(std::size_t count, TimePoint now);  // of what prepare_input() gave
  void received(std::string_view bytes, TimePoint now);
  void tick(TimePoint now);
  TimePoint deadline() const;  // TimePoint::max(): none

  // --- requests of the application; see client.h -------------------------------------------
  void subscribe(Subscription subscription);
  void unsubscribe(const std::string& filter);
  Status publish(Message message, Published done);
  void ack(AckHandle handle, ReasonCode reason);

  // --- what comes out -----------------------------------------------------------------------
  // Swaps the pending actions with `into`, which should be empty. False when there are none.
  bool take_actions(std::vector<Action>& into);
  // Swaps the bytes to write with `into`, which should be empty. False when there are none.
  // Large amounts come in pieces: ask again when these are written.
  bool take_output(std::string& into, TimePoint now);
  bool has_actions() const { return !actions_.empty(); }

  bool up() const { return state_ == State::Up; }
  const ClientStats& stats() const;
  std::uint16_t broker_receive_maximum() const { return receive_maximum_; }

 private:
  enum class State { Idle, Opening, Greeting, Up, Waiting, Stopped };
  enum class Filter { Unsent, Sent, Settled };
  struct SubscriptionState {
    Subscription subscription;
    Filter state = Filter::Unsent;
    std::uint16_t packet_id = 0;  // while Sent
  };
  struct Unsubscription {
    std::string filter;
    std::uint16_t packet_id = 0;  // 0: not sent
  };

  void handle(Packet& packet, TimePoint now);
  void on_connack(const Connack& connack, TimePoint now);
  void on_publish(Publish& publish, TimePoint now);
  void on_puback(const Puback& puback);
  void on_suback(const Suback& suback, TimePoint now);
  void on_unsuback(const Unsuback& unsuback, TimePoint now);

  void open(TimePoint now);
  // Gives the link up: `why` goes to the application; `farewell` to the broker.
  void fail(Error why, std::string farewell, TimePoint now, bool close = true);
  void fail_protocol(const CodecError& error, TimePoint now);
  Duration next_backoff();
  void pump();
  void send_controls();
  void send_pubacks();
  std::string broker() const;  // "broker host:port"

  ClientOptions options_;
  State state_ = State::Idle;
  Rng jitter_;
  int attempts_ = 0;  // since the last session that held
  bool ever_connected_ = false;
  bool taken_over_ = false;
  TimePoint connect_deadline_{};
  TimePoint retry_at_{};
  TimePoint up_since_{};
  TimePoint last_sent_{};
  TimePoint last_received_{};
  std::optional<TimePoint> ping_sent_;

  // From the last CONNACK.
  Duration keep_alive_{};
  std::uint16_t receive_maximum_ = 65535;
  std::size_t broker_maximum_packet_ = kMaxRemainingLength;
  bool retain_available_ = true;

  PacketReader reader_;
  Inbox inbox_;
  Outbox outbox_;
  std::vector<SubscriptionState> subscriptions_;
  std::vector<Unsubscription> unsubscriptions_;
  std::string output_;
  std::vector<Action> actions_;
  mutable ClientStats stats_;
};

}  // namespace spate::mqtt
