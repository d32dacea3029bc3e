// SPDX-License-Identifier: Apache-2.0
//
// UnknownModelSession: answers requests for models that have no route with `unknown_model`.
//
// Each route has a session subscribed to its own topic only, so a request for another name would
// reach nobody. This session subscribes to spate/v1/infer/# and drops what is for a known model:
// that one is handled by its route, so nothing is handled twice. It does so at QoS 0: the broker
// then sends every request here once more, but without acknowledgements and without keeping
// anything for it, which is the cheapest way to see them all (docs/decisions). A request for an
// unknown model is therefore answered at most once; the answer itself goes out at QoS 1.
//
// Threads: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <set>
#include <string>

#include "spate/base/clock.h"
#include "spate/gateway/config.h"
#include "spate/gateway/publisher.h"
#include "spate/mqtt/client.h"

namespace spate::gateway {

class UnknownModelSession {
 public:
  UnknownModelSession(boost::asio::io_context& loop, Clock& clock, const GatewayConfig& config,
                      mqtt::ClientOptions mqtt_options);

  void start();
  void stop() { client_.stop(); }
  bool healthy() const { return subscribed_ && client_.connected(); }
  void set_healthy_handler(std::function<void()> handler) { on_healthy_ = std::move(handler); }

  std::uint64_t answered() const { return answered_; }
  const mqtt::ClientStats& mqtt_stats() const { return client_.stats(); }

 private:
  void on_message(mqtt::Message&& message);

  std::set<std::string, std::less<>> models_;
  std::string known_;  // "linear, xgboost": for the sender
  std::function<void()> on_healthy_;
  mqtt::Client client_;
  Publisher publisher_;
  bool subscribed_ = false;
  std::uint64_t answered_ = 0;
};

}  // namespace spate::gateway
