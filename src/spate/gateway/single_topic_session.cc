// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/single_topic_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace spate::gateway {

SingleTopicSession::SingleTopicSession(boost::asio::io_context& loop, Clock& clock,
                                       const GatewayConfig& config,
                                       mqtt::ClientOptions mqtt_options)
    : topic_(config.single_topic),
      routes_(config.single_topic_routes),
      max_bytes_(0),
      client_(
          loop, clock, std::move(mqtt_options),
          {.on_connected =
               [this](bool) {
                 if (subscribed_ && on_healthy_) on_healthy_();
               },
           .on_disconnected = {},
           .on_message = [this](mqtt::Message&& message,
                                mqtt::AckHandle handle) { on_message(std::move(message), handle); },
           .on_subscribed =
               [this](const mqtt::Subscription&, const Status& status) {
                 subscribed_ = status.has_value();
                 if (subscribed_ && on_healthy_) on_healthy_();
               }}),
      publisher_(client_) {
  for (const ModelConfig& model : config.models) {
    models_.insert(model.name);
    // Base64 takes 4 bytes for 3, in JSON with some more around it.
    max_bytes_ = std::max(max_bytes_, model.max_payload_bytes / 3 * 4 + 65536);
  }
}

void SingleTopicSession::start() {
  client_.subscribe({topic_, mqtt::Qos::AtLeastOnce});
  client_.start();
}

const std::string& SingleTopicSession::route_of(InputType type) const {
  switch (type) {
    case InputType::Numeric:
      return routes_.numeric;
    case InputType::Classification:
      return routes_.classification;
    case InputType::Image:
      break;
  }
  return routes_.image;
}

void SingleTopicSession::on_message(mqtt::Message&& message, mqtt::AckHandle handle) {
  if (stopping_ && handle != mqtt::AckHandle::None) return;
  Request request;  // only to say where an error goes
  request.response_topic = message.response_topic;
  request.correlation_data = message.correlation_data;
  request.qos = message.qos;
  if (const std::string* id = message.user_property("id")) request.id = *id;

  const auto refuse = [&](Outcome outcome, const std::string& why) {
    ++bad_;
    publish(make_error_result(request, topic_, outcome, why), handle);
  };
  if (message.payload.size() > max_bytes_) {
    return refuse(Outcome::BadInput,
                  fmt::format("the payload has {} bytes, at most {} are accepted",
                              message.payload.size(), max_bytes_));
  }
  Result<SingleTopicInput> input = read_single_topic(message.payload);
  if (!input) return refuse(Outcome::BadInput, input.error().message);
  const std::string& route = route_of(input->type);
  if (models_.count(route) == 0) {
    return refuse(Outcome::UnknownModel,
                  fmt::format("no model '{}' is served here; it is the route of this type", route));
  }
  ++republished_;
  message.topic = std::string(kInferPrefix) + route;
  message.payload = std::move(input->payload);
  message.content_type = std::move(input->content_type);
  message.retain = false;
  message.duplicate = false;
  if (request.id.empty() && !input->id.empty()) {
    message.user_properties.emplace_back("id", std::move(input->id));
  }
  publish(std::move(message), handle);
}

void SingleTopicSession::publish(mqtt::Message message, mqtt::AckHandle handle) {
  if (handle == mqtt::AckHandle::None) {
    if (!publisher_.publish_unacknowledged(std::move(message))) ++dropped_;
    return;
  }
  publisher_.publish(std::move(message), [this, handle](mqtt::ReasonCode reason) {
    if (is_refusal(reason)) ++refused_;
    client_.ack(handle);
  });
}

}  // namespace spate::gateway
