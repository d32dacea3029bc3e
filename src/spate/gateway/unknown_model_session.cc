// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/unknown_model_session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "spate/gateway/request.h"

namespace spate::gateway {

namespace {

mqtt::ClientOptions without_memory(mqtt::ClientOptions options) {
  options.clean_start = true;
  options.session_expiry_s = 0;
  return options;
}

// Unacknowledged answers at most: past that somebody is flooding, and gets none.
constexpr std::size_t kMaxUnacknowledged = 10'000;

}  // namespace

UnknownModelSession::UnknownModelSession(boost::asio::io_context& loop, Clock& clock,
                                         const GatewayConfig& config,
                                         mqtt::ClientOptions mqtt_options)
    : client_(loop, clock, without_memory(std::move(mqtt_options)),
              {.on_connected = {},
               .on_disconnected = [this](const Error&, Duration) { subscribed_ = false; },
               .on_message = [this](mqtt::Message&& message,
                                    mqtt::AckHandle) { on_message(std::move(message)); },
               .on_subscribed =
                   [this](const mqtt::Subscription&, const Status& status) {
                     subscribed_ = status.has_value();
                     if (subscribed_ && on_healthy_) on_healthy_();
                   }}),
      publisher_(client_) {
  for (const ModelConfig& model : config.models) models_.insert(model.name);
  known_ = fmt::format("{}", fmt::join(models_, ", "));
}

void UnknownModelSession::start() {
  client_.subscribe({std::string(kInferPrefix) + "#", mqtt::Qos::AtMostOnce});
  client_.start();
}

void UnknownModelSession::on_message(mqtt::Message&& message) {
  std::string_view model = message.topic;
  // "#" matches its parent level too: spate/v1/infer, without a slash.
  model.remove_prefix(std::min(model.size(), kInferPrefix.size()));
  if (models_.find(model) != models_.end() || message.retain) return;
  ++answered_;
  if (publisher_.unacknowledged() >= kMaxUnacknowledged) return;
  Request request;
  request.response_topic = std::move(message.response_topic);
  request.correlation_data = std::move(message.correlation_data);
  if (const std::string* id = message.user_property("id")) request.id = *id;
  if (const std::string* trace = message.user_property("traceparent")) request.traceparent = *trace;
  publisher_.publish(make_error_result(request, model, Outcome::UnknownModel,
                                       fmt::format("no model '{}' is served here; served are: {}",
                                                   model.substr(0, 64), known_)),
                     [](mqtt::ReasonCode) {});
}

}  // namespace spate::gateway
