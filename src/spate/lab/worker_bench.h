// SPDX-License-Identifier: Apache-2.0
//
// WorkerBench: real workers with nobody but us in front of them. It starts them as the gateway's
// actuator does, speaks the wire protocol in the gateway's place, and keeps each as busy as asked:
// what they take is then theirs alone, without broker, queue or control loop.
//
//   auto bench = WorkerBench::open(loop, options);
//   auto worker = (*bench)->start(spec, samples);          // (*worker)->ready_at, …
//   (*bench)->saturate(**worker, 4);                        // batches of 4, one after the other
//   … run the loop …                                        // (*worker)->calls grows
//   (*bench)->rest(**worker);
//
// CPU times are the kernel's CPU clock of the worker's process, exact to the moment of reading.
//
// Threads: the loop's thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/lab/live_loop.h"
#include "spate/scaling/actuator.h"
#include "spate/wire/messages.h"

namespace spate::lab {

// One answered batch.
struct BenchCall {
  int batch = 1;
  Duration round_trip{};  // from sending it until its answer was read
  Duration service{};     // inside the worker, as it says
  Duration cpu{};         // of the worker's process since the answer before
};

struct BenchWorker {
  std::string replica;
  std::int64_t pid = 0;
  TimePoint ordered_at{};  // just before the actuator was told
  TimePoint started_at{};  // the actuator's Started
  TimePoint dialled_at{};  // its Register was read
  TimePoint ready_at{};    // its Ready was read
  Duration cpu_at_dial{};
  Duration cpu_at_ready{};
  std::optional<wire::Ready> ready;            // the phases as the worker saw them
  std::uint32_t credits = 1;                   // batches it works on at once
  std::optional<TimePoint> limit_in_force_at;  // the last set_limit() was carried out
  std::vector<BenchCall> calls;                // since saturate()
  std::size_t on_their_way = 0;                // batches
  std::optional<std::string> exited;           // how it ended
  std::string error;                           // what it did wrong

  bool broken() const { return exited.has_value() || !error.empty(); }
};

class WorkerBench {
 public:
  struct Options {
    std::filesystem::path program;  // the `spate` binary
    std::filesystem::path folder;   // exists; token, logs and the actuator's files go there
    std::filesystem::path socket;   // short enough for a Unix socket
    std::string limits = "auto";
  };

  // Borrows the loop.
  static Result<std::unique_ptr<WorkerBench>> open(LiveLoop& loop, Options options);
  // Ends every worker; bounded by some seconds.
  ~WorkerBench();
  WorkerBench(const WorkerBench&) = delete;
  WorkerBench& operator=(const WorkerBench&) = delete;

  scaling::LimitMechanism limit_mechanism() const;
  const std::string& limit_note() const;  // why it is not cgroups; "" when it is

  // Starts a worker without a limit and returns when it is ready, or with an error that says why
  // it is not. `spec.replica_id` may be empty: one is made. `samples` (at least one) are sent round
  // and round. The worker lives until stop().
  Result<BenchWorker*> start(scaling::ReplicaSpec spec, const std::vector<wire::Item>& samples);
  // Orders the limit; BenchWorker::limit_in_force_at says when it is in force.
  Status set_limit(BenchWorker& worker, double cpus);
  // The same, and waits for it.
  Status limit(BenchWorker& worker, double cpus);
  // Keeps it as busy as its credits allow with batches of this size; forgets earlier calls.
  void saturate(BenchWorker& worker, int batch);
  // Sends one batch of one request; its answer is the next of `calls`.
  void send_one(BenchWorker& worker);
  // Sends no more and waits for what is on its way.
  Status rest(BenchWorker& worker);
  // Runs the loop until the worker has `least` calls and `shortest` has passed, at most `longest`.
  // Saturate it before. Unavailable when it broke, was interrupted, or gave no answer at all.
  Status collect(BenchWorker& worker, std::size_t least, Duration shortest, Duration longest);
  void stop(BenchWorker& worker);

 private:
  struct State;
  explicit WorkerBench(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace spate::lab
