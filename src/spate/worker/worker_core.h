// SPDX-License-Identifier: Apache-2.0
//
// WorkerCore: a worker's behaviour without its input and output: events and a time in, actions
// out. WorkerShell drives it live; unit tests drive it by hand. docs/wire-protocol.md draws it.
//
//   link    Down -> Dialing -> Registering -> Registered -> (lost) Down, with back-off; after
//           `give_up_after` without a gateway the worker ends.
//   model   loading -> loaded: Ready follows each Registered as soon as it is loaded.
//   drain   none -> Announced (SIGTERM: Draining sent, the gateway's Drain awaited) -> Ordered
//           (Drain received) -> idle: Goodbye and exit. Batches are answered until then.
//
// Batches wait in a queue of their own only while all calls are busy or the duty cycle pauses.
// An item whose budget is over when its batch's turn comes is answered Expired, not computed.
//
// Threads: one at a time. Every event may add actions; take them after each event.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "spate/base/clock.h"
#include "spate/wire/messages.h"
#include "spate/worker/cpu_limit.h"
#include "spate/worker/duty_cycle.h"

namespace spate::worker {

struct CoreOptions {
  wire::Register identity;  // sent as it stands but for cpu_limit, ready and metrics_address
  Mode mode = Mode::Throughput;
  int machine_cpus = 1;    // see usable_cpus()
  double cpu_limit = 0.0;  // CPUs, as its starter said; 0 = none

  Duration min_backoff = std::chrono::milliseconds(50);  // between attempts; doubles up to:
  Duration max_backoff = std::chrono::seconds(1);
  Duration give_up_after = std::chrono::seconds(30);    // without being registered
  Duration register_timeout = std::chrono::seconds(5);  // from dialing until Registered
  Duration silence_timeout = std::chrono::seconds(15);  // the gateway pings once a second
  Duration drain_answer_timeout = std::chrono::seconds(1);
  // From the begin of a drain; below the 10 s after which container engines kill.
  Duration grace = std::chrono::seconds(9);
  // The shortest sleep until the duty cycle's pause is looked at again. Waking costs CPU time that
  // the duty cycle charges: slept for less than that takes to earn, a pause would feed itself.
  // 5 ms is also the slice in which the kernel hands out a quota
  // (/proc/sys/kernel/sched_cfs_bandwidth_slice_us). What a longer sleep saves up is used after it.
  Duration least_pause = std::chrono::milliseconds(5);
  Duration limit_check_interval = std::chrono::seconds(1);
  // It looks at the time at least once a limit_check_interval. When this passes without that, it
  // was paused (parked by the gateway, or the machine slept): nobody was silent but itself, and
  // what it waits for gets the time anew.
  Duration pause_noticed = std::chrono::seconds(3);
};

enum class JobId : std::uint64_t {};

// How long the start took, for Ready.
struct StartPhases {
  Duration exec_to_main{};
  Duration load{};
  Duration warm_up{};
};

// --- actions ------------------------------------------------------------------------------------
struct Dial {};    // open a connection; answer with connected() or disconnected()
struct Hangup {};  // close the connection and answer nothing
struct Send {
  wire::Message message;
};
// Predict these (at least one); answer with job_done(). At most Concurrency::calls at once.
struct StartJob {
  JobId id{};
  std::vector<wire::Item> items;
};
// The CPU limit or what follows from it has changed. Also given once by start().
struct Resize {
  Concurrency concurrency;
  double cpus = 0.0;  // in force; 0 = none
  bool duty_cycle = false;

  bool operator==(const Resize&) const = default;
};
struct ReadLimit {};  // read the own cgroup; answer with cgroup_limit()
// End the process once what was sent has left. Nothing follows it.
struct Exit {
  int status = 0;  // 0 drained or no gateway any more; 1 failed; 3 refused
  std::string reason;
};
using Action = std::variant<Dial, Hangup, Send, StartJob, Resize, ReadLimit, Exit>;

// Counts since the start, for metrics.
struct CoreStats {
  std::uint64_t batches = 0;          // answered
  std::uint64_t items[4] = {};        // answered, by wire::ItemCode
  std::uint64_t registrations = 0;    // how often it was Registered
  std::uint64_t disconnects = 0;      // of an open connection
  std::uint64_t protocol_errors = 0;  // frames that could not be read or made no sense
  std::uint64_t over_credit = 0;      // batches that came while all credits were in use
  std::uint64_t forgotten = 0;        // batches unanswered when their connection was lost
  std::uint64_t duty_pauses = 0;      // times that a batch had to wait for the duty cycle
};

class WorkerCore {
 public:
  explicit WorkerCore(CoreOptions options);

  // Where /metrics is served (wire::Register); before start().
  void set_metrics_address(std::string address) {
    options_.identity.metrics_address = std::move(address);
  }

  // --- events -------------------------------------------------------------------------------
  void start(TimePoint now);
  void connected(TimePoint now);
  // The attempt failed or the connection was lost; never after Hangup.
  void disconnected(const std::string& why, TimePoint now);
  void frame(wire::Message message, TimePoint now);
  void bad_frame(const std::string& why, TimePoint now);  // FrameReader refused the stream
  void model_loaded(const StartPhases& phases, TimePoint now);
  void load_failed(const std::string& why, TimePoint now);
  // One result per item of the job, in order; `request_id` is filled in here.
  void job_done(JobId id, std::vector<wire::ItemResult> results, TimePoint now);
  void cgroup_limit(std::optional<double> cpus, TimePoint now);
  // The process's CPU time; wanted before every event while duty_cycling().
  void cpu_time(Duration total, TimePoint now) { duty_cycle_.on_cpu_time(total, now); }
  void terminate(TimePoint now);  // SIGTERM; a second one ends it at once
  void tick(TimePoint now);       // at next_wake(), or any other time

  std::vector<Action> take_actions();
  // When tick() is needed next. Requires start().
  TimePoint next_wake(TimePoint now);

  // --- state, for metrics and health ----------------------------------------------------------
  bool duty_cycling() const { return duty_cycle_.limit() > 0.0; }
  bool ready() const { return link_ == Link::Registered && phases_ && drain_ == Drain::None; }
  bool exited() const { return exited_; }
  std::size_t queued_batches() const { return queue_.size(); }
  std::size_t running_jobs() const { return running_.size(); }
  int credits() const { return concurrency_.calls; }
  double cpu_limit() const { return limit_.cpus(); }
  const CoreStats& stats() const { return stats_; }

 private:
  enum class Link { Down, Dialing, Registering, Registered };
  enum class Drain { None, Announced, Ordered };

  struct Pending {  // a batch on its way to an answer
    wire::BatchResult result;
    std::vector<wire::Item> items;      // moved into the job
    std::vector<std::size_t> computed;  // places of the job's items in result.items
    std::vector<TimePoint> deadlines;   // by item; TimePoint::max() without one
    TimePoint arrived{};
    std::uint64_t connection = 0;  // the one it came by
    bool held_back = false;        // by the duty cycle, counted once
  };

  void on(wire::Registered&, TimePoint);
  void on(wire::Refused&, TimePoint);
  void on(wire::Batch&, TimePoint);
  void on(wire::CpuLimit&, TimePoint);
  void on(wire::Drain&, TimePoint);
  void on(wire::Ping&, TimePoint);
  template <class Unexpected>
  void on(Unexpected&, TimePoint now);

  void dial(TimePoint now);
  void drop_link(const std::string& why, bool hang_up, TimePoint now);
  void forget_batches();
  void send_ready();
  void start_jobs(TimePoint now);
  void start_job(Pending batch, TimePoint now);
  void finish(Pending batch, TimePoint now);
  void resize(TimePoint now);
  void check_drain(TimePoint now);
  void exit(int status, std::string reason);
  std::size_t unanswered() const;

  CoreOptions options_;
  std::vector<Action> actions_;
  bool exited_ = false;

  Link link_ = Link::Down;
  std::uint64_t connection_ = 0;  // counts lost connections: tells theirs from the present one's
  TimePoint redial_at_{};         // Down
  Duration backoff_;
  TimePoint seen_at_{};       // the last tick()
  TimePoint dialed_at_{};     // Dialing, Registering
  TimePoint absent_since_{};  // not Registered
  TimePoint heard_at_{};      // Registered: the last frame
  std::string last_problem_;  // why the link is down

  std::optional<StartPhases> phases_;  // the model is loaded
  Drain drain_ = Drain::None;
  bool terminated_ = false;
  TimePoint drain_since_{};

  CpuLimitSources limit_;
  Concurrency concurrency_;
  Resize in_force_;  // as last handed out
  TimePoint limit_check_at_{};
  DutyCycle duty_cycle_;

  std::deque<Pending> queue_;
  std::map<JobId, Pending> running_;
  std::uint64_t next_job_ = 1;
  CoreStats stats_;
};

}  // namespace spate::worker
