// SPDX-License-Identifier: Apache-2.0
//
// SingleTopicSession: single-topic mode (single_topic.h has the messages). It takes every message
// of one topic, works out which model it is for, and publishes it to that model's own topic with
// the same response topic, correlation data, user properties and QoS; a QoS 1 message is
// acknowledged once the broker has acknowledged that. What cannot be read is answered with
// `bad_input` on its response topic, else on spate/v1/result/<single topic>.
//
// A session of its own, so that models are served the same way whoever sends.
//
// Threads: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "spate/base/clock.h"
#include "spate/gateway/config.h"
#include "spate/gateway/publisher.h"
#include "spate/gateway/request.h"
#include "spate/gateway/single_topic.h"
#include "spate/mqtt/client.h"

namespace spate::gateway {

class SingleTopicSession {
 public:
  SingleTopicSession(boost::asio::io_context& loop, Clock& clock, const GatewayConfig& config,
                     mqtt::ClientOptions mqtt_options);

  void start();
  void stop() { client_.stop(); }
  // Takes nothing more; new messages stay unacknowledged, for the next gateway.
  void begin_shutdown() { stopping_ = true; }
  bool idle() const { return publisher_.idle(); }
  bool healthy() const { return subscribed_ && client_.connected(); }
  void set_healthy_handler(std::function<void()> handler) { on_healthy_ = std::move(handler); }

  std::uint64_t republished() const { return republished_; }
  std::uint64_t bad() const { return bad_; }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t dropped() const { return dropped_; }
  const mqtt::ClientStats& mqtt_stats() const { return client_.stats(); }

 private:
  void on_message(mqtt::Message&& message, mqtt::AckHandle handle);
  void publish(mqtt::Message message, mqtt::AckHandle handle);
  const std::string& route_of(InputType type) const;

  const std::string topic_;
  const SingleTopicRoutes routes_;
  std::set<std::string> models_;
  std::size_t max_bytes_;
  std::function<void()> on_healthy_;
  mqtt::Client client_;
  Publisher publisher_;
  bool subscribed_ = false;
  bool stopping_ = false;
  std::uint64_t republished_ = 0;
  std::uint64_t bad_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace spate::gateway
