// SPDX-License-Identifier: Apache-2.0
//
// Session, the part that reacts to what the broker sends.
#include <fmt/format.h>

#include <utility>

#include "spate/mqtt/session.h"

namespace spate::mqtt {
namespace {

ErrorCode code_of_refusal(ReasonCode reason) {
  switch (static_cast<std::uint8_t>(reason)) {
    case 0x86:  // bad user name or password
    case 0x87:  // not authorized
    case 0x8A:  // banned
    case 0x8C:  // bad authentication method
      return ErrorCode::PermissionDenied;
    case 0x85:  // client identifier not valid
      return ErrorCode::InvalidArgument;
    default:
      return ErrorCode::Unavailable;
  }
}

std::string with_reason(ReasonCode reason, const std::string& reason_string) {
  std::string text = to_string(reason);
  if (!reason_string.empty()) text += ": " + reason_string;
  return text;
}

}  // namespace

void Session::handle(Packet& packet, TimePoint now) {
  if (state_ == State::Greeting) {
    if (const auto* connack = std::get_if<Connack>(&packet)) return on_connack(*connack, now);
    return fail_protocol({ReasonCode::ProtocolError, "something before CONNACK"}, now);
  }
  if (auto* publish = std::get_if<Publish>(&packet)) return on_publish(*publish, now);
  if (const auto* puback = std::get_if<Puback>(&packet)) return on_puback(*puback);
  if (const auto* suback = std::get_if<Suback>(&packet)) return on_suback(*suback, now);
  if (const auto* unsuback = std::get_if<Unsuback>(&packet)) return on_unsuback(*unsuback, now);
  if (std::holds_alternative<Pingresp>(packet)) {
    ping_sent_.reset();
    return;
  }
  if (const auto* goodbye = std::get_if<Disconnect>(&packet)) {
    taken_over_ = goodbye->reason == ReasonCode::SessionTakenOver;
    return fail(Error{ErrorCode::Unavailable,
                      fmt::format("{} ended the connection: {}", broker(),
                                  with_reason(goodbye->reason, goodbye->reason_string))},
                {}, now);
  }
  fail_protocol({ReasonCode::ProtocolError, "a packet only a client may send, or a second CONNACK"},
                now);
}

void Session::on_connack(const Connack& connack, TimePoint now) {
  if (is_failure(connack.reason)) {
    return fail(Error{code_of_refusal(connack.reason),
                      fmt::format("{} refused the connection: {}", broker(),
                                  with_reason(connack.reason, connack.reason_string))},
                {}, now);
  }
  if (connack.maximum_qos < 1) {
    return fail(Error{ErrorCode::Unavailable, broker() + " offers QoS 0 only; QoS 1 is needed"}, {},
                now);
  }
  if (connack.session_present && options_.clean_start && !ever_connected_) {
    return fail_protocol({ReasonCode::ProtocolError, "CONNACK: a session after a clean start"},
                         now);
  }
  state_ = State::Up;
  ever_connected_ = true;
  up_since_ = now;
  ++stats_.connects;
  receive_maximum_ = connack.receive_maximum;
  broker_maximum_packet_ = connack.maximum_packet_bytes.value_or(kMaxRemainingLength);
  retain_available_ = connack.retain_available;
  keep_alive_ = connack.server_keep_alive_s ? std::chrono::seconds(*connack.server_keep_alive_s)
                                            : options_.keep_alive;
  const bool resumed = connack.session_present;
  if (!resumed) {
    inbox_.session_lost();
    outbox_.session_lost();
    unsubscriptions_.clear();
    for (SubscriptionState& entry : subscriptions_) entry.state = Filter::Unsent;
  }
  actions_.emplace_back(
      Connected{resumed, connack.session_expiry_s.value_or(options_.session_expiry_s)});
  send_controls();
  pump();
}

void Session::on_publish(Publish& publish, TimePoint now) {
  if (publish.message.qos == Qos::AtMostOnce) {
    ++stats_.messages_in;
    actions_.emplace_back(Delivered{std::move(publish.message), AckHandle::None});
    return;
  }
  const Inbox::Arrival arrival = inbox_.arrived(publish.packet_id, publish.message);
  switch (arrival.verdict) {
    case Inbox::Verdict::Deliver:
      ++stats_.messages_in;
      actions_.emplace_back(Delivered{std::move(publish.message), arrival.handle});
      return;
    case Inbox::Verdict::Swallow:
      ++stats_.redelivered_in;
      return send_pubacks();  // it may have been acknowledged while the link was down
    case Inbox::Verdict::ProtocolError:
      return fail_protocol(
          {ReasonCode::ProtocolError,
           fmt::format("PUBLISH: another message under the open packet identifier {}",
                       publish.packet_id)},
          now);
  }
}

void Session::on_puback(const Puback& puback) {
  std::optional<Outbox::Entry> entry = outbox_.acknowledged(puback.packet_id);
  if (!entry) {
    ++stats_.stray_acks;
    return;
  }
  if (is_failure(puback.reason)) ++stats_.refused_out;
  if (entry->done) actions_.emplace_back(Acknowledged{std::move(entry->done), puback.reason});
  pump();
}

void Session::on_suback(const Suback& suback, TimePoint now) {
  if (!outbox_.control_done(suback.packet_id) || suback.reasons.size() != 1) {
    return fail_protocol({ReasonCode::ProtocolError, "a SUBACK that answers no SUBSCRIBE"}, now);
  }
  for (SubscriptionState& entry : subscriptions_) {
    if (entry.state != Filter::Sent || entry.packet_id != suback.packet_id) continue;
    entry.state = Filter::Settled;
    const ReasonCode reason = suback.reasons.front();
    Subscribed action{entry.subscription};
    if (is_failure(reason)) {
      action.outcome =
          Error{code_of_refusal(reason),
                fmt::format("{} refused the subscription to {}: {}", broker(),
                            entry.subscription.filter, with_reason(reason, suback.reason_string))};
    } else if (static_cast<std::uint8_t>(reason) <
               static_cast<std::uint8_t>(entry.subscription.qos)) {
      action.outcome = Error{ErrorCode::Unavailable,
                             fmt::format("{} granted only QoS 0 for the subscription to {}",
                                         broker(), entry.subscription.filter)};
    }
    actions_.emplace_back(std::move(action));
    break;
  }
  send_controls();
}

void Session::on_unsuback(const Unsuback& unsuback, TimePoint now) {
  if (!outbox_.control_done(unsuback.packet_id)) {
    return fail_protocol({ReasonCode::ProtocolError, "an UNSUBACK that answers no UNSUBSCRIBE"},
                         now);
  }
  std::erase_if(unsubscriptions_,
                [&](const Unsubscription& entry) { return entry.packet_id == unsuback.packet_id; });
  send_controls();
}

}  // namespace spate::mqtt
