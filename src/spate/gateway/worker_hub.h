// SPDX-License-Identifier: Apache-2.0
//
// WorkerHub: the workers that have dialled in. It registers them (shared token, known route, one
// connection per replica id), pings them (once a second, or more often for a short timeout),
// carries their frames to the ModelSession they serve, and reports what becomes of them.
//
//   accepted -> Register -> STARTING -> Ready -> READY -> drain, Draining -> DRAINING -> gone
//                                         park  v   ^  unpark
//                                              PARKED (not pinged once it is idle)
//
// Threads: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "spate/base/clock.h"
#include "spate/gateway/control.h"
#include "spate/gateway/model_session.h"
#include "spate/gateway/worker_link.h"
#include "spate/gateway/worker_listener.h"

namespace spate::gateway {

class WorkerHub final : WorkerLink::Owner {
 public:
  struct Options {
    std::string listen;      // "unix:/path" or "tcp:host:port"
    std::string token;       // shared secret
    std::string gateway_id;  // told to the workers
    Duration heartbeat_timeout = std::chrono::seconds(10);
    Duration register_timeout = std::chrono::seconds(5);  // from connecting until Register
    std::size_t max_unregistered = 256;                   // further connections are closed
  };
  using Sessions = std::map<std::string, std::shared_ptr<ModelSession>, std::less<>>;

  // Borrows all but the options.
  WorkerHub(boost::asio::io_context& loop, Clock& clock, Options options, const Sessions& sessions);
  ~WorkerHub();
  WorkerHub(const WorkerHub&) = delete;
  WorkerHub& operator=(const WorkerHub&) = delete;

  Status start();
  // Closes the listener and every connection; no handler is called afterwards.
  void stop();
  bool listening() const { return listener_ != nullptr; }
  const std::string& address() const;

  std::vector<WorkerInfo> workers() const;
  void drain(const std::string& replica_id);
  void park(const std::string& replica_id);
  void unpark(const std::string& replica_id);
  void announce_cpu_limit(const std::string& replica_id, double cpus, bool duty_cycle);
  void set_event_handler(std::function<void(const WorkerEvent&)> handler) {
    handler_ = std::move(handler);
  }
  std::uint64_t refused() const { return refused_; }

 private:
  struct Worker {
    std::shared_ptr<WorkerLink> link;
    TimePoint last_heard{};
    ModelSession* session = nullptr;  // null until registered
    WorkerId id = 0;
    WorkerInfo info;
    bool leaving = false;  // said Goodbye
    bool asleep = false;   // parked and idle: paused, or about to be
  };

  // WorkerLink::Owner
  void link_message(WorkerLink& link, wire::Message&& message) override;
  void link_closed(WorkerLink& link, const std::string& why) override;

  void on(Worker& worker, const wire::Register& message);
  void on(Worker& worker, const wire::Ready& message);
  void on(Worker& worker, const wire::Credits& message);
  void on(Worker& worker, wire::BatchResult&& message);
  void on(Worker& worker, const wire::Draining&);
  void on(Worker& worker, const wire::Goodbye&);
  void on(Worker& worker, const wire::Pong&);

  void accepted(WorkerLink::Socket socket);
  void refuse(Worker& worker, const std::string& reason);
  void remove(WorkerLink& link, const std::string& why);
  void begin_drain(Worker& worker);
  void fall_asleep_if_idle(Worker& worker);
  void emit(WorkerEvent::Kind kind, const Worker& worker);
  void heartbeat();
  Worker* find(const std::string& replica_id);

  boost::asio::io_context& loop_;
  Clock& clock_;
  const Options options_;
  const Duration ping_interval_;  // several to a heartbeat timeout
  const Sessions& sessions_;
  std::unique_ptr<WorkerListener> listener_;
  std::unordered_map<WorkerLink*, std::unique_ptr<Worker>> workers_;
  std::unordered_map<std::string, Worker*> by_replica_;
  std::function<void(const WorkerEvent&)> handler_;
  std::optional<TimerId> timer_;
  std::size_t unregistered_ = 0;
  std::uint64_t nonce_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace spate::gateway
