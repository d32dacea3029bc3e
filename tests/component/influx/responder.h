// SPDX-License-Identifier: Apache-2.0
//
// Responder: a system under load that answers as the test says. It is a real MQTT peer on the
// same broker; only its "model" is the test's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spate/mqtt/client.h"
#include "testing/loop.h"

namespace spate::test {

class Responder {
 public:
  struct Reply {
    std::string body;                          // "$ID" is replaced by the request's id
    Duration after{0};                         // before it is sent
    int copies = 1;                            // 0: never answered
    std::optional<std::string> correlation{};  // instead of the request's own
  };
  // Called for each request with its number, from 0.
  using Behaviour = std::function<Reply(const mqtt::Message&, std::size_t)>;

  Responder(Loop& loop, std::uint16_t port, const std::string& model, Behaviour behaviour);
  bool ready() const { return ready_; }

  std::vector<mqtt::Message> requests;

 private:
  void on_request(mqtt::Message&& message);
  void reply(const mqtt::Message& request, const Reply& reply);

  Loop& loop_;
  Behaviour behaviour_;
  bool ready_ = false;
  std::unique_ptr<mqtt::Client> client_;
};

}  // namespace spate::test
