// SPDX-License-Identifier: Apache-2.0
//
// ModelWorld: one model of a simulated world: its route (the live object), its workers, its
// requests under way and its records. World drives it.
//
// Threads: one at a time.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "spate/base/histogram.h"
#include "spate/base/rng.h"
#include "spate/gateway/route.h"
#include "spate/scaling/sampler.h"
#include "spate/sim/arrival_feed.h"
#include "spate/sim/cpu_group.h"
#include "spate/sim/event_heap.h"
#include "spate/sim/fluid_demand.h"
#include "spate/sim/fluid_flow.h"
#include "spate/sim/output.h"
#include "spate/sim/recorder.h"
#include "spate/sim/world_config.h"

namespace spate::sim {

class World;

// Event::kind holds the kind in its low byte and the model above it; Event::index the worker.
enum class Happening : std::uint8_t {
  Cpu,      // a call ends
  Spawned,  // its process runs
  DialledIn,
  LimitSet,
  Unparked,
  Crash,
  Hang,
  LinkLost,   // a hung worker's heartbeat has failed
  Kill,       // the grace of a stop is over
  ZombieEnd,  // the same for a hung worker without a link; index: its number
};

class ModelWorld final : public gateway::RouteSink {
 public:
  ModelWorld(World& world, const SimModel& model, std::uint32_t number);

  // --- requests
  std::int64_t next_arrival() const { return next_arrival_; }
  void arrive();
  void start_load(std::int64_t origin);
  void cpu_event(std::uint32_t slot);  // a call of this worker may have ended
  std::int64_t timer_at() const { return timer_at_; }
  void timer();
  bool idle() const { return fluid_ ? fluid_->idle() : route_.idle(); }
  bool load_over() const { return next_arrival_ == EventHeap::kNever; }

  // --- workers: the autoscaler's orders and what comes of them (model_workers.cc)
  void start_worker(const scaling::ReplicaSpec& spec);
  void order_limit(std::uint32_t slot, double cpus);
  void park(std::uint32_t slot);
  void unpark(std::uint32_t slot);
  void drain(std::uint32_t slot);
  void stop(std::uint32_t slot, Duration grace);
  bool stop_zombie(const std::string& replica, Duration grace);
  void worker_event(const Event& event);
  // --- scripted faults (world_faults.cc)
  void crash_some(int count);  // serving replicas, the oldest first; fewer if there are fewer
  void hang_some(int count);
  void fail_starts(int count) { starts_to_fail_ += count; }
  void blind_until(std::int64_t at) { blind_until_ = std::max(blind_until_, at); }
  void speed_changed();  // of the machine's CPUs

  void set_max_batch(int max_batch) { route_.set_max_batch(max_batch); }
  std::uint32_t find(const std::string& replica) const;  // gateway::kNil when unknown

  // --- readings
  // What the gateway and the kernel would show now of the replicas in `status`.
  const scaling::RawModel& read(const scaling::ModelStatus& status);
  void account(const scaling::ModelStatus& status);  // integrals until now, then what holds
  void second_passed(std::uint32_t second);          // the window's second `second` ends now
  void measure(bool on);                             // from now on, until now
  ModelOutput take_output();

  // --- gateway::RouteSink
  void on_batch(gateway::WorkerId worker, gateway::BatchId batch,
                std::span<const gateway::RequestId> requests, TimePoint now) override;
  void on_end(const gateway::Ended& ended) override;
  // From an answer until the client has it, ns.
  std::int64_t way_back();
  void on_suspect(gateway::WorkerId worker) override;

  // CPUs that fluid calls want; 0 in the exact mode.
  double fluid_cpus() const { return fluid_ ? fluid_cpus_ : 0.0; }
  const SimModel& model() const { return model_; }
  std::uint64_t requests_made() const { return requests_made_; }

 private:
  friend class World;

  struct Request {
    std::int64_t at = 0;  // intended send
    std::uint32_t second = Recorder::kWarmUp;
  };
  struct Job {
    double v_end = 0.0;          // of the worker's CpuGroup
    gateway::BatchId batch = 0;  // 0: it loads
    std::int64_t began = 0;
  };
  // What is touched for every batch.
  struct Worker {
    CpuGroup cpu;
    gateway::WorkerId id = 0;
    std::int64_t event_at = EventHeap::kNever;  // of its valid event in the heap
    Job job;
    std::uint32_t jobs = 0;     // running; beyond the first in Cold::more
    std::uint32_t threads = 1;  // of each
    std::uint16_t machine = 0;
    bool alive = false;
    bool answered = false;
    bool hung = false;
    bool leaving = false;
    bool parking = false;  // parked, or will be once it has no work
  };
  // The rest.
  struct Cold {
    std::vector<Job> more;
    std::string replica;
    std::uint64_t life = 0;  // which replica of this slot: events of an earlier one are void
    double limit_ordered = 0.0;
    double busy = 0.0;     // share of the machine that computed when it was started
    bool failing = false;  // it will die while loading
    bool ready = false;
    double cpu_read_ns = 0.0;   // at the last reading
    double cpu_shown_ns = 0.0;  // the same with its noise
    // The fluid mode's.
    std::uint32_t calls = 1;  // at once
    double fluid_cpu_ns = 0.0;
    double fluid_periods = 0.0;
    double fluid_throttled = 0.0;
    int fluid_in_flight = 0;
  };
  // A hung process whose connection is lost: it stands in no route any more.
  struct Zombie {
    std::string replica;
    double cpu_ns = 0.0;
    bool ending = false;
    bool gone = false;  // its place may be used again
  };

  // --- the fluid mode (model_fluid.cc)
  void start_fluid();
  void fluid_step();
  FluidCapacity fluid_capacity();
  void show_fluid(scaling::RawModel& raw) const;

  std::int64_t now() const;
  void look_at_timer();
  void begin(std::uint32_t slot, double work_ns, gateway::BatchId batch);
  void schedule(std::uint32_t slot);
  void demand(Worker& worker);
  double next_end(std::uint32_t slot) const;
  bool rested(std::uint32_t slot, std::size_t batch_size) const;
  Job take_job(std::uint32_t slot);
  void job_done(std::uint32_t slot, const Job& job);
  bool finish_due(std::uint32_t slot);
  void loaded(std::uint32_t slot);
  void apply_limit(std::uint32_t slot, double cpus);
  void set_concurrency(std::uint32_t slot);
  void exit(std::uint32_t slot, bool expected, const char* why);
  void forget(std::uint32_t slot);
  void hang(std::uint32_t slot);
  void link_lost(std::uint32_t slot);
  void leave_if_idle(std::uint32_t slot);
  void park_if_idle(std::uint32_t slot);
  void push(Happening what, std::uint32_t slot, std::int64_t at);
  void plan_faults(std::uint32_t slot);
  std::vector<std::uint32_t> serving(int most) const;
  double start_phase_ns(std::uint32_t slot, Law StartLaws::*phase);
  void integrate();

  World& world_;
  const SimModel& model_;
  const std::uint32_t number_;
  gateway::Route route_;
  ArrivalFeed feed_;
  Recorder recorder_;
  std::unique_ptr<FluidFlow> fluid_;  // instead of feed and route
  FluidStep fluid_last_;
  double fluid_rate_ = 0.0;  // mean over the last step, per second
  double fluid_cpus_ = 0.0;
  std::optional<FluidDemand> fluid_demand_;  // once the load has begun
  std::vector<std::uint32_t> fluid_slots_;   // that served in the last step
  Rng service_rng_;
  Rng start_rng_;
  Rng fault_rng_;
  Rng noise_rng_;
  Rng transport_rng_;

  std::vector<ServiceLaws::Draw> draws_;         // by size of the batch
  std::vector<ServiceLaws::Draw> thread_draws_;  // the same for several threads
  std::int64_t origin_ = 0;
  std::int64_t next_arrival_ = EventHeap::kNever;
  std::int64_t timer_at_ = EventHeap::kNever;  // not after the route's next deadline
  std::int64_t deadline_ns_ = 0;
  std::int64_t to_gateway_ = 0;
  bool keep_latency_ = false;
  bool keep_waits_ = false;

  std::vector<Request> requests_;  // by the route's slot
  std::vector<Worker> workers_;    // by the route's slot
  std::vector<Cold> cold_;
  std::vector<std::int64_t> last_end_;  // of a worker's calls; empty unless rest matters
  std::vector<std::uint32_t> live_;     // slots of workers that exist, in order of creation
  std::unordered_map<std::string, std::uint32_t> by_replica_;
  std::vector<Zombie> zombies_;
  std::vector<gateway::WorkerId> pongs_;  // suspects that answer their ping
  std::uint64_t lives_ = 0;
  int starts_to_fail_ = 0;
  std::int64_t blind_until_ = 0;  // no readings of replicas before
  std::uint64_t requests_made_ = 0;
  std::uint32_t arrival_second_ = 0;  // of the window, of the next arrival
  std::int64_t arrival_second_ends_ = 0;

  Histogram latency_;  // as the gateway has it, if a metric wants it
  scaling::RawModel raw_;
  // Accounts.
  ModelOutput output_;
  bool measured_ = false;
  std::int64_t accounted_ = 0;
  Gauges held_;               // of the replicas, since then
  double cpu_gone_ns_ = 0.0;  // of workers that are gone
  double cpu_at_start_ns_ = 0.0;
  double cpu_at_second_ns_ = 0.0;
  double cpu_total_ns();
};

}  // namespace spate::sim
