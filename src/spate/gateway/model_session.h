// SPDX-License-Identifier: Apache-2.0
//
// ModelSession: one model's route, live. It joins the MQTT session on which its requests arrive,
// the Route core that decides about them, and the links of the workers that serve them. It keeps
// the payloads (the core knows numbers only), and acknowledges a QoS 1 request only once the
// broker has acknowledged its result: that is the late acknowledgement of design 3.2.
//
// Each model has an MQTT session of its own, as PUBACKs leave in the order of arrival
// [MQTT-4.6.0-2]: a slow model never holds up a fast one's.
//
// Threads: the loop's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/clock.h"
#include "spate/gateway/control.h"
#include "spate/gateway/publisher.h"
#include "spate/gateway/request.h"
#include "spate/gateway/route.h"
#include "spate/gateway/server.h"
#include "spate/gateway/worker_link.h"
#include "spate/mqtt/client.h"

namespace spate::gateway {

class ModelSession final : public std::enable_shared_from_this<ModelSession>, RouteSink {
 public:
  // Borrows loop, clock and `end_handler` (which may be empty or change).
  ModelSession(boost::asio::io_context& loop, Clock& clock, const ModelConfig& model,
               const RequestRules& rules, mqtt::ClientOptions mqtt_options,
               const Server::EndHandler& end_handler);

  void start();
  // Stops MQTT for good; what has been decided is still flushed.
  void stop();
  // Connected, and subscribed to its topic.
  bool healthy() const { return subscribed_ && client_.connected(); }
  void set_healthy_handler(std::function<void()> handler) { on_healthy_ = std::move(handler); }

  // --- workers; each call but attach() requires an attached worker --------------------------
  WorkerId attach(std::shared_ptr<WorkerLink> link, const wire::Register& worker);
  void ready(WorkerId worker, std::uint32_t credits);
  void set_credits(WorkerId worker, std::uint32_t credits);
  void set_cpu_limit(WorkerId worker, double cpus);
  void drain(WorkerId worker);  // sends Drain too
  void park(WorkerId worker);
  void unpark(WorkerId worker);
  bool idle(WorkerId worker) const { return route_.outstanding_batches(worker) == 0; }
  void alive(WorkerId worker);
  void detach(WorkerId worker);
  // False: the result fits no batch of this worker. `answers` counts the Ok ones.
  bool answered(WorkerId worker, wire::BatchResult&& result, std::size_t& answers);
  std::size_t in_flight(WorkerId worker) const { return route_.worker_in_flight(worker); }

  void set_max_batch(int max_batch);

  // --- shutting down -----------------------------------------------------------------------
  void begin_shutdown();
  bool idle() const { return route_.idle() && publisher_.idle(); }
  void end_all();  // what is left ends as ShuttingDown: QoS 1 unacknowledged, QoS 0 answered

  const std::string& name() const { return model_.name; }
  const RouteStats& stats() const;  // valid until the next call
  const Route& route() const { return route_; }
  const mqtt::ClientStats& mqtt_stats() const { return client_.stats(); }
  // How many results the broker lets this session have in flight.
  std::uint16_t broker_receive_maximum() const { return client_.broker_receive_maximum(); }
  std::uint64_t clock_disagreements() const { return clock_disagreements_; }
  std::uint64_t results_refused() const { return results_refused_; }
  std::uint64_t results_dropped() const { return results_dropped_; }

 private:
  // A request between its end and the broker's acknowledgement of its result.
  struct Finished {
    std::uint32_t generation = 0;
    std::uint32_t next = kNil;
    mqtt::AckHandle handle = mqtt::AckHandle::None;
    TimePoint received{};
    Outcome outcome = Outcome::Answered;
  };
  struct Worker {
    std::shared_ptr<WorkerLink> link;
    std::string variant;
  };

  void on_connected();
  void on_message(mqtt::Message&& message, mqtt::AckHandle handle);
  void refuse(Request& request, Outcome outcome, std::string_view why);
  void finish(Request& request, Outcome outcome, mqtt::Message result);
  void published(std::uint32_t slot, mqtt::ReasonCode reason);
  void count_end(Outcome outcome, TimePoint received);
  void schedule_pump();
  void pump();
  void arm_timer();

  // RouteSink
  void on_batch(WorkerId worker, BatchId batch, std::span<const RequestId> requests,
                TimePoint now) override;
  void on_end(const Ended& ended) override;
  void on_suspect(WorkerId worker) override;

  boost::asio::io_context& loop_;
  Clock& clock_;
  const ModelConfig model_;
  const RequestRules rules_;
  const Server::EndHandler& end_handler_;
  std::function<void()> on_healthy_;

  Route route_;
  mqtt::Client client_;
  Publisher publisher_;
  bool subscribed_ = false;

  std::vector<Request> requests_;  // by the slot of their RequestId
  std::vector<Worker> workers_;    // by the slot of their WorkerId
  SlotPool<Finished> finished_;
  wire::Batch batch_;                          // scratch of on_batch()
  std::vector<RequestAnswer> answers_;         // scratch of answered()
  const wire::BatchResult* result_ = nullptr;  // while the core takes an answer
  const std::string* result_variant_ = nullptr;

  bool pump_posted_ = false;
  std::optional<TimerId> timer_;
  TimePoint timer_at_{};

  std::uint64_t bad_inputs_ = 0;  // refused before the core saw them
  std::uint64_t clock_disagreements_ = 0;
  std::uint64_t results_refused_ = 0;
  std::uint64_t results_dropped_ = 0;
  mutable RouteStats stats_;
};

}  // namespace spate::gateway
