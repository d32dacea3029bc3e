// SPDX-License-Identifier: Apache-2.0
#include "spate/mqtt/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "spate/base/check.h"

namespace spate::mqtt {
namespace {

// Publishes are put into the output until it has this many bytes; the rest waits, as messages,
// until the link has taken them. Large enough for full-size writes, small enough for memory.
constexpr std::size_t kOutputHighWater = 256U << 10;

}  // namespace

Session::Session(ClientOptions options)
    : options_(std::move(options)),
      jitter_(options_.seed, "mqtt_backoff"),
      reader_(options_.maximum_packet_bytes),
      outbox_(options_.max_outbox_messages, options_.max_outbox_bytes) {
  SPATE_CHECK(!options_.client_id.empty(), "an MQTT session needs a client identifier");
  SPATE_CHECK(options_.receive_maximum > 0, "a Receive Maximum of 0 is not allowed");
  SPATE_CHECK(options_.keep_alive.count() >= 0 && options_.keep_alive.count() <= 65535,
              "keep_alive must be in [0, 65535] s");
}

// --- events of the link -----------------------------------------------------------------------

void Session::start(TimePoint now) {
  SPATE_CHECK(state_ == State::Idle, "a session starts once");
  open(now);
}

void Session::open(TimePoint now) {
  state_ = State::Opening;
  connect_deadline_ = now + options_.connect_timeout;
  actions_.emplace_back(OpenLink{});
}

void Session::stop() {
  if (state_ == State::Stopped) return;
  actions_.clear();
  if (state_ == State::Up) {
    encode(Disconnect{}, output_);
    actions_.emplace_back(CloseLink{std::exchange(output_, {})});
  } else if (state_ == State::Opening || state_ == State::Greeting) {
    actions_.emplace_back(CloseLink{});
  }
  output_.clear();
  state_ = State::Stopped;
}

void Session::link_opened(TimePoint now) {
  SPATE_CHECK(state_ == State::Opening, "link_opened() without OpenLink");
  state_ = State::Greeting;
  reader_.reset();
  output_.clear();
  ping_sent_.reset();
  last_received_ = now;
  Connect connect;
  connect.client_id = options_.client_id;
  if (!options_.username.empty()) connect.username = options_.username;
  if (!options_.password.empty()) connect.password = options_.password;
  connect.clean_start = options_.clean_start && !ever_connected_;
  connect.keep_alive_s = static_cast<std::uint16_t>(options_.keep_alive.count());
  connect.session_expiry_s = options_.session_expiry_s;
  connect.receive_maximum = options_.receive_maximum;
  connect.maximum_packet_bytes = options_.maximum_packet_bytes;
  encode(connect, output_);
}

void Session::link_lost(const Error& why, TimePoint now) {
  if (state_ != State::Opening && state_ != State::Greeting && state_ != State::Up) return;
  const std::string_view what =
      state_ == State::Opening ? "cannot connect to" : "lost the connection to";
  fail(Error{why.code, fmt::format("{} {}: {}", what, broker(), why.message)}, {}, now, false);
}

void Session::received(std::string_view bytes, TimePoint now) {
  reader_.append(bytes);
  received(0, now);
}

void Session::received(std::size_t count, TimePoint now) {
  reader_.commit(count);
  last_received_ = now;
  Packet packet;
  while (state_ == State::Greeting || state_ == State::Up) {
    switch (reader_.next(packet)) {
      case PacketReader::Next::Ready:
        handle(packet, now);
        break;
      case PacketReader::Next::NeedMore:
        return;
      case PacketReader::Next::Broken:
        return fail_protocol(reader_.error(), now);
    }
  }
}

void Session::tick(TimePoint now) {
  if (now < deadline()) return;
  switch (state_) {
    case State::Opening:
    case State::Greeting: {
      const std::string_view what =
          state_ == State::Opening ? "no connection" : "no answer to CONNECT";
      return fail(Error{ErrorCode::Timeout,
                        fmt::format("cannot connect to {}: {} within {:.1f} s", broker(), what,
                                    to_seconds(options_.connect_timeout))},
                  {}, now);
    }
    case State::Waiting:
      return open(now);
    case State::Up:
      if (!ping_sent_) {
        ping_sent_ = now;
        encode(Pingreq{}, output_);
        return;
      }
      return fail(Error{ErrorCode::Timeout,
                        fmt::format("lost the connection to {}: nothing received for {:.1f} s",
                                    broker(), to_seconds(now - last_received_))},
                  {}, now);
    default:
      return;
  }
}

TimePoint Session::deadline() const {
  switch (state_) {
    case State::Opening:
    case State::Greeting:
      return connect_deadline_;
    case State::Waiting:
      return retry_at_;
    case State::Up:
      if (keep_alive_ == Duration{0}) return TimePoint::max();
      if (ping_sent_) return std::max(*ping_sent_, last_received_) + keep_alive_ / 2;
      return std::min(last_sent_, last_received_) + keep_alive_ * 3 / 4;
    default:
      return TimePoint::max();
  }
}

void Session::fail(Error why, std::string farewell, TimePoint now, bool close) {
  if (state_ == State::Up) {
    ++stats_.disconnects;
    if (now - up_since_ >= options_.backoff_max) attempts_ = 0;
  } else {
    ++stats_.connect_failures;
  }
  inbox_.link_lost();
  outbox_.link_lost();
  for (SubscriptionState& entry : subscriptions_) {
    if (entry.state == Filter::Sent) entry.state = Filter::Unsent;
  }
  for (Unsubscription& entry : unsubscriptions_) entry.packet_id = 0;
  output_.clear();
  state_ = State::Waiting;
  const Duration retry_in = next_backoff();
  retry_at_ = now + retry_in;
  if (close) actions_.emplace_back(CloseLink{std::move(farewell)});
  actions_.emplace_back(Disconnected{std::move(why), retry_in});
}

void Session::fail_protocol(const CodecError& error, TimePoint now) {
  std::string farewell;
  if (state_ == State::Up) {
    Disconnect disconnect;
    disconnect.reason = error.reason;
    encode(disconnect, farewell);
  }
  fail(Error{ErrorCode::Internal, fmt::format("{} sent a packet that cannot be accepted: {} ({})",
                                              broker(), error.message, to_string(error.reason))},
       std::move(farewell), now);
}

Duration Session::next_backoff() {
  double delay_s = to_seconds(options_.backoff_max);
  if (!std::exchange(taken_over_, false)) {
    // 2^30 times the first delay is above any sensible maximum.
    const double grown =
        to_seconds(options_.backoff_first) * static_cast<double>(1U << std::min(attempts_, 30));
    delay_s = std::min(delay_s, grown);
  }
  ++attempts_;
  return from_seconds(delay_s * jitter_.uniform(0.5, 1.0));
}

// --- requests -----------------------------------------------------------------------------------

void Session::subscribe(Subscription subscription) {
  SPATE_CHECK(validate_filter(subscription.filter).has_value(), "not a topic filter");
  std::erase_if(subscriptions_, [&](const SubscriptionState& entry) {
    return entry.subscription.filter == subscription.filter;
  });
  std::erase_if(unsubscriptions_, [&](const Unsubscription& entry) {
    return entry.packet_id == 0 && entry.filter == subscription.filter;
  });
  subscriptions_.push_back({std::move(subscription)});
  send_controls();
}

void Session::unsubscribe(const std::string& filter) {
  SPATE_CHECK(validate_filter(filter).has_value(), "not a topic filter");
  std::erase_if(subscriptions_, [&](const SubscriptionState& entry) {
    return entry.subscription.filter == filter;
  });
  unsubscriptions_.push_back({filter});
  send_controls();
}

Status Session::publish(Message message, Published done) {
  if (state_ == State::Stopped) return Error{ErrorCode::Unavailable, "the client is stopped"};
  if (Status status = validate(message); !status) return status;
  const std::size_t bytes = publish_size(message);
  if (bytes > broker_maximum_packet_) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("a message of {} bytes to {}; {} accepts {}", bytes, message.topic,
                             broker(), broker_maximum_packet_)};
  }
  if (message.retain && !retain_available_) {
    return Error{ErrorCode::InvalidArgument, broker() + " does not keep retained messages"};
  }
  if (message.qos == Qos::AtLeastOnce) {
    Status accepted = outbox_.accept(std::move(message), std::move(done), bytes);
    pump();
    return accepted;
  }
  if (state_ != State::Up) {
    return Error{ErrorCode::Unavailable, "not connected to " + broker()};
  }
  if (output_.size() + bytes > options_.max_outbox_bytes) {
    return Error{ErrorCode::Exhausted,
                 fmt::format("{} bytes are not written to {} yet (at most {})", output_.size(),
                             broker(), options_.max_outbox_bytes)};
  }
  encode_publish(message, 0, false, output_);
  ++stats_.messages_out;
  return ok();
}

void Session::ack(AckHandle handle, ReasonCode reason) {
  if (!inbox_.acknowledge(handle, reason)) {
    ++stats_.void_acks;
    return;
  }
  send_pubacks();
}

// --- what comes out -----------------------------------------------------------------------------

void Session::send_pubacks() {
  if (state_ != State::Up) return;
  while (const std::optional<Puback> puback = inbox_.next_puback()) encode(*puback, output_);
}

void Session::send_controls() {
  if (state_ != State::Up) return;
  // UNSUBSCRIBE first: a filter may be in both lists, and then the subscription is the newer.
  for (Unsubscription& entry : unsubscriptions_) {
    if (entry.packet_id != 0) continue;
    const auto id = outbox_.take_control_id();
    if (!id) return;
    entry.packet_id = *id;
    encode(Unsubscribe{*id, {entry.filter}}, output_);
  }
  for (SubscriptionState& entry : subscriptions_) {
    if (entry.state != Filter::Unsent) continue;
    const auto id = outbox_.take_control_id();
    if (!id) return;
    entry.state = Filter::Sent;
    entry.packet_id = *id;
    encode(Subscribe{*id, {{entry.subscription.filter, entry.subscription.qos}}}, output_);
  }
}

void Session::pump() {
  while (state_ == State::Up && output_.size() < kOutputHighWater) {
    const Outbox::Entry* entry = outbox_.next(receive_maximum_);
    if (entry == nullptr) return;
    if (entry->bytes > broker_maximum_packet_) {  // accepted before this broker was met
      Outbox::Entry rejected = outbox_.reject(*entry);
      ++stats_.refused_out;
      if (rejected.done) {
        actions_.emplace_back(Acknowledged{std::move(rejected.done), ReasonCode::PacketTooLarge});
      }
      continue;
    }
    encode_publish(entry->message, entry->packet_id, entry->sent_before, output_);
    ++(entry->resent ? stats_.resent_out : stats_.messages_out);
  }
}

bool Session::take_actions(std::vector<Action>& into) {
  into.swap(actions_);
  return !into.empty();
}

bool Session::take_output(std::string& into, TimePoint now) {
  pump();
  into.swap(output_);
  if (into.empty()) return false;
  last_sent_ = now;
  return true;
}

const ClientStats& Session::stats() const {
  stats_.outbox_messages = outbox_.messages();
  stats_.unacknowledged_in = inbox_.open();
  return stats_;
}

std::string Session::broker() const {
  return fmt::format("broker {}:{}", options_.host, options_.port);
}

}  // namespace spate::mqtt
