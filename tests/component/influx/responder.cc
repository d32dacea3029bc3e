// SPDX-License-Identifier: Apache-2.0
#include "responder.h"

namespace spate::test {

Responder::Responder(Loop& loop, std::uint16_t port, const std::string& model, Behaviour behaviour)
    : loop_(loop), behaviour_(std::move(behaviour)) {
  mqtt::ClientOptions options;
  options.port = port;
  options.client_id = "responder-" + model;
  mqtt::ClientHandlers handlers;
  handlers.on_subscribed = [this](const mqtt::Subscription&, const Status& status) {
    ready_ = status.has_value();
  };
  handlers.on_message = [this](mqtt::Message&& message, mqtt::AckHandle handle) {
    if (handle != mqtt::AckHandle::None) client_->ack(handle);
    on_request(std::move(message));
  };
  client_ = std::make_unique<mqtt::Client>(loop.io, loop.clock, options, std::move(handlers));
  client_->subscribe({"spate/v1/infer/" + model, mqtt::Qos::AtLeastOnce});
  client_->start();
}

void Responder::on_request(mqtt::Message&& message) {
  const Reply answer = behaviour_(message, requests.size());
  requests.push_back(std::move(message));
  if (answer.after == Duration{0}) {
    reply(requests.back(), answer);
    return;
  }
  loop_.clock.call_after(answer.after,
                         [this, request = requests.back(), answer] { reply(request, answer); });
}

void Responder::reply(const mqtt::Message& request, const Reply& answer) {
  mqtt::Message result;
  result.topic = request.response_topic;
  result.qos = request.qos;
  result.content_type = "application/json";
  result.correlation_data = answer.correlation.value_or(request.correlation_data);
  result.payload = answer.body;
  if (const auto at = result.payload.find("$ID"); at != std::string::npos) {
    const std::string* id = request.user_property("id");
    result.payload.replace(at, 3, id ? *id : "");
  }
  for (int i = 0; i < answer.copies; ++i) {
    const Status status = client_->publish(result);
    if (!status) throw std::runtime_error("responder: " + status.error().message);
  }
}

}  // namespace spate::test
