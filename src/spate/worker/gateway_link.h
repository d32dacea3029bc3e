// SPDX-License-Identifier: Apache-2.0
//
// GatewayLink: the worker's connection to the gateway, over a Unix socket or TCP. Reads are cut
// into messages; what is sent while a write is under way leaves together with the next one.
//
// Threads: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "spate/base/clock.h"
#include "spate/wire/messages.h"

namespace boost::asio {
class io_context;
}

namespace spate::worker {

// "unix:PATH" or "tcp:HOST:PORT". Throws ConfigError when it is neither or a path is too long
// for a socket address (107 bytes).
struct GatewayAddress {
  bool is_unix = true;
  std::string path;
  std::string host;
  std::string port;

  static GatewayAddress parse(const std::string& text);
};

class GatewayLink {
 public:
  struct Callbacks {
    std::function<void()> connected;
    // The attempt failed or the connection ended. Not called after hang_up().
    std::function<void(const std::string& why)> disconnected;
    std::function<void(wire::Message)> message;
    std::function<void(const std::string& why)> bad_frame;
    std::function<void()> batch_read;  // after all messages of one read
  };

  GatewayLink(boost::asio::io_context& loop, GatewayAddress address, Callbacks callbacks);
  ~GatewayLink();
  GatewayLink(const GatewayLink&) = delete;
  GatewayLink& operator=(const GatewayLink&) = delete;

  // Calls back connected() or disconnected(), never inside this call.
  void dial();
  void hang_up();
  // Queues a message; it leaves with flush(). Dropped when there is no connection.
  void send(const wire::Message& message);
  void flush();
  // Calls `done` once everything that was sent has left, the connection is lost, or `limit` has
  // passed, whichever comes first; closes the connection.
  void finish(Duration limit, std::function<void()> done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace spate::worker
