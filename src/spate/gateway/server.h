// SPDX-License-Identifier: Apache-2.0
//
// Server: the live gateway. It joins one MQTT session and one Route core per model with the
// workers that dial in, and is the Control that autoscaler, metrics and HTTP API work with.
// `spate gateway` makes one.
//
//   gateway::Server server(loop, clock, config);
//   if (Status up = server.start(); !up) ...             // the listener could not be bound
//   on SIGTERM: server.shut_down([&] { loop.stop(); });  // finishes the queue first
//
// Threads: everything, handlers included, on the thread that runs the loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/gateway/config.h"
#include "spate/gateway/control.h"

namespace spate::gateway {

// What goes on outside of any one route. Totals since the start.
struct ServerStats {
  std::uint64_t unknown_model = 0;          // requests for a model that has no route
  std::uint64_t single_topic_messages = 0;  // republished to a model's topic
  std::uint64_t single_topic_bad = 0;       // could not be read; answered with bad_input
  std::uint64_t clock_disagreements = 0;    // deadlines counted from receipt for that reason
  std::uint64_t late_answers = 0;           // answers to attempts that had been given up
  std::uint64_t results_refused = 0;        // the broker refused a result (reason code >= 0x80)
  std::uint64_t results_dropped = 0;        // QoS 0 results while the broker was away
  std::uint64_t workers_refused = 0;        // wrong token, unknown route, duplicate, bad frames
  std::uint64_t broker_disconnects = 0;     // over all sessions
  std::uint64_t messages_in = 0;            // over all sessions
  std::uint64_t messages_out = 0;
};

class Server final : public Control {
 public:
  // Borrows loop and clock, which must outlive it. Reads token and password; throws ConfigError
  // when a file is missing or a setting cannot work.
  Server(boost::asio::io_context& loop, Clock& clock, GatewayConfig config);
  // Cuts everything at once, as a crash would: nothing is acknowledged any more, and the broker
  // redelivers what was not.
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds the worker listener and begins to connect to the broker. Unavailable or
  // PermissionDenied when the address cannot be bound.
  Status start();

  // Takes nothing new, finishes what waits for up to config.shutdown_grace, then disconnects and
  // calls `done` once. What could not be finished stays unacknowledged, so that the broker
  // redelivers it (QoS 0: it is answered `shutting_down`). docs/guarantees.md.
  // Workers are neither drained nor stopped: they wait for the next gateway.
  void shut_down(std::function<void()> done);

  // Every session is connected and subscribed, and the listener is open.
  bool healthy() const;
  // Called once, when healthy() first holds.
  void set_healthy_handler(std::function<void()> handler);
  // Where workers dial in, as "unix:/path" or "tcp:host:port" with the real port.
  std::string worker_address() const;

  const GatewayConfig& config() const;
  ServerStats server_stats() const;

  // Called for every request that ended, with its latency (receipt until the result was
  // published) and whether it counts as an answer: for the latency histogram of /metrics.
  using EndHandler = std::function<void(std::string_view model, Outcome outcome, Duration latency)>;
  void set_end_handler(EndHandler handler);

  // --- Control -----------------------------------------------------------------------------
  std::vector<std::string> models() const override;
  const RouteStats& stats(std::string_view model) const override;  // valid until the next call
  std::vector<WorkerInfo> workers() const override;
  void drain(const std::string& replica_id) override;
  void park(const std::string& replica_id) override;
  void unpark(const std::string& replica_id) override;
  void announce_cpu_limit(const std::string& replica_id, double cpus, bool duty_cycle) override;
  void set_max_batch(std::string_view model, int max_batch) override;
  void set_worker_event_handler(std::function<void(const WorkerEvent&)> handler) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace spate::gateway
