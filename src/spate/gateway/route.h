// SPDX-License-Identifier: Apache-2.0
//
// Route: the core of one model's route. It admits requests, keeps them in order, forms batches,
// chooses workers, watches over attempts and decides how each request ends. No I/O, clock,
// thread, payload or string: requests and workers are numbers, time is an argument, and what is
// to be done goes to one RouteSink. gateway::ModelSession drives it live; the simulator drives
// the same object.
//
//   admit -> WAITING -> pump -> SENT -> answered -> ended
//               ^                 |
//               +-- again first --+  worker gone or hung, at most max_attempts
//
// Every admitted request ends exactly one way: RouteSink::on_end is called once for it. A
// refused one has ended with the return of admit().
//
// After any call, call pump(now) (once for many calls): only pump() and on_time() send batches.
//
// Threads: one at a time. No allocation per request once its vectors have grown.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "spate/base/clock.h"
#include "spate/gateway/config.h"
#include "spate/gateway/control.h"
#include "spate/gateway/service_estimate.h"
#include "spate/gateway/slot_pool.h"
#include "spate/gateway/worker_picker.h"

namespace spate::gateway {

// Names of slots (slot_pool.h): 0 is never one.
using RequestId = std::uint64_t;
using WorkerId = std::uint64_t;
using BatchId = std::uint64_t;

inline constexpr TimePoint kNever = TimePoint::max();

struct RouteOptions {
  int max_batch = 1;
  Duration max_delay{0};
  std::size_t max_queue_messages = 10'000;
  std::size_t max_queue_bytes = 256U << 20;
  std::size_t max_batch_bytes = 16U << 20;  // of payload; one request may be larger
  int max_attempts = 3;
  Duration attempt_timeout = std::chrono::seconds(10);
  DispatchPolicy dispatch = DispatchPolicy::LeastOutstanding;
  bool early_overload = true;
  Duration deadline_margin = std::chrono::milliseconds(25);
  std::uint64_t seed = 1;  // of power_of_two
};
RouteOptions route_options(const ModelConfig& model);

struct Admission {
  RequestId id = 0;                     // 0: refused
  Outcome refused = Outcome::Answered;  // why: Overloaded, Expired or ShuttingDown
};

struct Ended {
  RequestId id = 0;
  Outcome outcome = Outcome::Answered;
  std::uint32_t index = 0;  // its place in the batch, when a worker's answer ended it
  std::uint32_t attempts = 0;
  Duration queued{};   // admission until the last dispatch; until now if there was none
  Duration service{};  // inside the worker, when a worker's answer ended it
};

// What the core tells its owner. Must not call back into the Route.
class RouteSink {
 public:
  // Send these requests to this worker as one batch.
  virtual void on_batch(WorkerId worker, BatchId batch, std::span<const RequestId> requests,
                        TimePoint now) = 0;
  virtual void on_end(const Ended& ended) = 0;
  // It has not answered within the attempt timeout: ask whether it is alive.
  virtual void on_suspect(WorkerId worker) = 0;

 protected:
  ~RouteSink() = default;
};

// Totals since the start, and what is true now.
struct RouteCounters {
  std::uint64_t arrived = 0;  // admitted and refused
  std::array<std::uint64_t, kOutcomes> ended{};
  std::uint64_t redispatched = 0;
  std::uint64_t late_answers = 0;  // requests in answers to attempts that had been given up
  std::uint64_t batches = 0;
  std::uint64_t hung = 0;  // times a worker was taken for hung
  std::size_t queue_length = 0;
  std::size_t queue_bytes = 0;
  std::size_t in_flight = 0;
  Duration service_sum{};
};

enum class WorkerState : std::uint8_t { Starting, Ready, Parked, Draining };

struct RequestAnswer {
  RequestId id = 0;
  Outcome outcome = Outcome::Answered;
};
// Late: the attempt had been given up, nothing ends. Invalid: no such batch of that worker, or
// not its requests in its order; the worker breaks the protocol.
enum class AnswerStatus : std::uint8_t { Taken, Late, Invalid };

class Route {
 public:
  // Borrows the sink. `start` is any time that is not after the first event.
  Route(const RouteOptions& options, RouteSink& sink, TimePoint start);

  // --- requests ----------------------------------------------------------------------------
  // `deadline` is kNever for none. Refused: Expired when the deadline is not after `now`;
  // Overloaded when the queue is full, or when the estimated end lies after the deadline less
  // the margin and no worker is free; ShuttingDown after begin_shutdown().
  Admission admit(TimePoint deadline, std::uint32_t bytes, TimePoint now);
  // Sends what can be sent.
  void pump(TimePoint now);
  // Expires, gives up hung attempts, pumps. Call it at next_deadline(); earlier does no harm.
  void on_time(TimePoint now);
  // When something happens without an event, at the earliest; kNever if nothing does.
  TimePoint next_deadline() const;

  // Admits nothing more; what waits is sent without waiting for larger batches.
  void begin_shutdown() { stopping_ = true; }
  // Ends all that waits or is in flight as ShuttingDown.
  void end_all(TimePoint now);
  bool idle() const { return counters_.queue_length == 0 && counters_.in_flight == 0; }

  // --- workers -----------------------------------------------------------------------------
  // `cpus` is its CPU limit, 0 for none (weighs as one CPU). It gets no work until it is ready.
  WorkerId add_worker(std::uint32_t max_batch, double cpus);
  void worker_ready(WorkerId worker, std::uint32_t credits, TimePoint now);
  void set_credits(WorkerId worker, std::uint32_t credits);  // batches at once; 0 pauses it
  void set_cpu_limit(WorkerId worker, double cpus);
  void drain_worker(WorkerId worker);  // no more work; what it has it may answer
  void park_worker(WorkerId worker);   // a ready one: no more work until unparked
  void unpark_worker(WorkerId worker, TimePoint now);
  void worker_alive(WorkerId worker);                // it ponged: no longer suspect
  void worker_gone(WorkerId worker, TimePoint now);  // its work goes to the front of the queue
  AnswerStatus answered(WorkerId worker, BatchId batch, std::span<const RequestAnswer> answers,
                        Duration service, TimePoint now);
  // The same when every request was answered Ok (the simulator's case).
  AnswerStatus answered_all(WorkerId worker, BatchId batch, Duration service, TimePoint now);

  bool has_worker(WorkerId worker) const { return workers_.find(worker) != kNil; }
  // These require has_worker().
  bool is_suspect(WorkerId worker) const { return of(worker).suspect; }
  std::uint32_t worker_in_flight(WorkerId worker) const { return of(worker).in_flight; }
  std::uint32_t outstanding_batches(WorkerId worker) const { return of(worker).batches; }

  void set_max_batch(int max_batch) { options_.max_batch = max_batch < 1 ? 1 : max_batch; }
  const RouteOptions& options() const { return options_; }
  const RouteCounters& counters() const { return counters_; }
  Duration oldest_age(TimePoint now) const;  // of what waits; 0 when nothing does

 private:
  struct Request {
    TimePoint deadline{};
    TimePoint arrived{};
    std::uint32_t generation = 0;
    std::uint32_t next = kNil;  // in the queue or in its batch
    std::uint32_t bytes = 0;
    std::uint32_t attempts = 0;
  };
  struct Batch {
    TimePoint sent{};
    std::uint32_t generation = 0;
    std::uint32_t next = kNil;  // free list only
    std::uint32_t worker = kNil;
    std::uint32_t first = kNil;  // its requests; kNil once given up
    std::uint32_t count = 0;
    std::uint32_t older = kNil;  // all batches that have not been given up, by time sent
    std::uint32_t newer = kNil;
    std::uint32_t worker_older = kNil;  // all batches of the worker, by time sent
    std::uint32_t worker_newer = kNil;
  };
  struct Worker {
    std::uint32_t generation = 0;
    std::uint32_t next = kNil;  // free list only
    WorkerState state = WorkerState::Starting;
    bool suspect = false;
    bool counted = false;  // its CPUs are in usable_milli_
    std::uint32_t credits = 0;
    std::uint32_t batches = 0;    // outstanding, given-up ones included
    std::uint32_t given_up = 0;   // of those
    std::uint32_t load = 0;       // requests in `batches`
    std::uint32_t in_flight = 0;  // requests in those not given up
    std::uint32_t max_batch = 1;
    std::uint32_t milli = 1000;  // CPU limit in thousandths, its weight
    std::uint32_t oldest = kNil;
    std::uint32_t newest = kNil;
    TimePoint last_answer{};
  };

  const Worker& of(WorkerId worker) const { return workers_[workers_.find(worker)]; }
  std::uint32_t require(WorkerId worker) const;

  // Queue (route.cc).
  void push_back(std::uint32_t request);
  void push_front(std::uint32_t request);
  std::uint32_t pop_front();
  void end(std::uint32_t request, Outcome outcome, TimePoint now);
  void expire(TimePoint now);
  void sweep(TimePoint now);
  Duration margin_of(const Request& request) const;
  bool too_late_to_start(const Request& request, double cpus, TimePoint now) const;
  bool estimate_misses(TimePoint deadline, TimePoint now) const;
  double expected_wait_ns(TimePoint now) const;
  double mean_cpus() const;
  bool waits_for_more(TimePoint now) const;
  void send(std::uint32_t worker, TimePoint now);

  // Workers (route_workers.cc).
  void refresh(std::uint32_t worker);
  void link(std::uint32_t batch);
  void unlink_by_time(std::uint32_t batch);
  void unlink_from_worker(std::uint32_t batch);
  void give_up(std::uint32_t batch);
  void give_up_all(std::uint32_t worker, TimePoint now);
  void requeue(TimePoint now);
  void hang(std::uint32_t worker, TimePoint now);
  void release_batch(std::uint32_t batch);
  AnswerStatus finish(WorkerId worker, BatchId batch, const RequestAnswer* answers,
                      std::size_t count, Duration service, TimePoint now);
  void end_answered(std::uint32_t request, Outcome outcome, std::uint32_t index, Duration queued,
                    Duration service);
  std::int64_t since_start_us(TimePoint t) const {
    return std::chrono::duration_cast<std::chrono::microseconds>(t - start_).count();
  }

  RouteOptions options_;
  RouteSink& sink_;
  TimePoint start_;
  bool stopping_ = false;

  SlotPool<Request> requests_;
  SlotPool<Batch> batches_;
  SlotPool<Worker> workers_;
  WorkerPicker picker_;
  ServiceEstimate estimate_;
  RouteCounters counters_;

  std::uint32_t head_ = kNil;  // the queue
  std::uint32_t tail_ = kNil;
  bool sorted_ = true;           // its deadlines do not decrease
  TimePoint soonest_ = kNever;   // no waiting request's deadline is earlier
  TimePoint next_sweep_{};       // an unsorted queue is searched no earlier than this
  std::uint32_t oldest_ = kNil;  // batches by time sent
  std::uint32_t newest_ = kNil;
  std::uint64_t usable_milli_ = 0;  // CPUs of the workers that can be counted on, thousandths
  std::uint32_t usable_workers_ = 0;
  std::int64_t sent_sum_us_ = 0;          // over requests in flight: when sent, since start_
  std::vector<RequestId> ids_;            // scratch of send()
  std::vector<std::uint32_t> collected_;  // scratch of give_up(): to be queued again, in order
};

}  // namespace spate::gateway
