// SPDX-License-Identifier: Apache-2.0
//
// Client: an MQTT 5 client on Boost.Asio whose acknowledgements the caller controls (design
// 3.2). It wraps the I/O-free Session (session.h) with a socket, a timer and reconnection.
//
// - A received QoS 1 message is acknowledged when ack() is called, whatever the order of the
//   calls; PUBACKs leave in the order in which the messages arrived [MQTT-4.6.0-2].
// - publish() never blocks. While disconnected, or past the broker's Receive Maximum, QoS 1
//   messages wait in an outbox bounded by Options::max_outbox_{messages,bytes}; past that bound,
//   and for QoS 0 while disconnected, publish() is refused at once.
// - After a lost connection it reconnects with exponential backoff and jitter, resumes the
//   session, re-sends what the broker has not acknowledged (DUP) and re-subscribes when the
//   broker has lost the session. Nothing of QoS 1 is lost while this object lives.
// - TCP_NODELAY is set (without it a QoS 1 round trip takes 40 ms).
//
// Threads: everything, handlers included, on the thread that runs the io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/mqtt/messages.h"
#include "spate/mqtt/options.h"

namespace spate::mqtt {

// Any of them may be empty. Without on_message, QoS 1 messages are acknowledged and dropped.
struct ClientHandlers {
  // The session is up. `resumed`: the broker still had it (what was unacknowledged comes again).
  std::function<void(bool resumed)> on_connected{};
  // The link is gone or could not be made; the client tries again after `retry_in`.
  std::function<void(const Error& why, Duration retry_in)> on_disconnected{};
  // `handle` is AckHandle::None for QoS 0. The message may be moved from.
  std::function<void(Message&& message, AckHandle handle)> on_message{};
  // The outcome of a subscription at the broker (after every connect that did not resume).
  std::function<void(const Subscription&, Status)> on_subscribed{};
};

class Client {
 public:
  using Published = mqtt::Published;

  // Borrows loop and clock, which must outlive it.
  Client(boost::asio::io_context& loop, Clock& clock, ClientOptions options,
         ClientHandlers handlers);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Begins to connect, and keeps connected until stop().
  void start();
  // Sends DISCONNECT, closes; no handler is called afterwards. Idempotent.
  void stop();

  // Kept for the client's life and made again after every connect that did not resume.
  void subscribe(Subscription subscription);
  // Ends a subscription of that exact filter. What the broker has in flight may still arrive.
  void unsubscribe(const std::string& filter);

  // Exhausted when the outbox is full, Unavailable for QoS 0 while disconnected, InvalidArgument
  // for a topic that is empty or has wildcards or a packet above the broker's maximum.
  Status publish(Message message, Published done = nullptr);

  // Acknowledges a received message; the handle is void afterwards. A SPATE_CHECK guards against
  // acknowledging twice. When the broker has lost the session since, this does nothing but count.
  void ack(AckHandle handle, ReasonCode reason = ReasonCode::Success);

  bool connected() const;
  const ClientStats& stats() const;
  // What the broker granted in its last CONNACK; 65535 when it did not say.
  std::uint16_t broker_receive_maximum() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace spate::mqtt
