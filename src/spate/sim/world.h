// SPDX-License-Identifier: Apache-2.0
//
// World: one simulated run. Everything that decides is the live system's own object
// (gateway::Route, scaling::Autoscaler with its samplers and strategy); the world around them is
// made up: arrivals, CPU time of calls under quotas, start-up, limits, crashes, readings.
//
//   arrivals ─► Route ─► on_batch ─► a worker's CpuGroup ─► EventHeap ─► answered_all ─► on_end
//                                                                                          │
//   Autoscaler ◄─ readings, worker events         actions ─► starts, limits, drains     Recorder
//
// As live, the replicas are started first; the warm-up begins when all are ready.
// Equal configuration and strategy give an equal output, byte for byte. Memory does not grow with
// the run's length, nor is anything allocated per request once the vectors have grown.
//
// Threads: one at a time; several worlds may run in threads of their own.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "spate/scaling/autoscaler.h"
#include "spate/sim/core_shares.h"
#include "spate/sim/event_heap.h"
#include "spate/sim/model_world.h"
#include "spate/sim/output.h"
#include "spate/sim/world_config.h"

namespace spate::sim {

class World {
 public:
  // Throws ConfigError, see check().
  World(const WorldConfig& config, std::unique_ptr<scaling::Strategy> strategy);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Once.
  RunOutput run();

  // For tests and benchmarks: the run in slices. Plays everything before `until` seconds of the
  // measured window (negative: the warm-up); false when the run is over.
  bool run_until(double until_s);
  RunOutput finish();
  std::uint64_t requests() const;

 private:
  friend class ModelWorld;

  // --- the loop (world.cc)
  bool play(std::int64_t until);
  void handle(const Event& event);
  void other();
  void second_passed();
  void refresh_other();
  void refresh_arrival();
  bool all_idle() const;

  // --- the autoscaler's side (world_control.cc)
  void wake_control(std::int64_t at);
  void control_step();
  void read();
  void carry_out(const scaling::Action& action);
  void keep_records();
  void begin_load_if_ready(const std::vector<scaling::ModelStatus>& status);
  void account();

  // --- scripted faults (world_faults.cc)
  struct FaultEdge {  // one begins or ends
    std::int64_t at = 0;
    std::size_t fault = 0;  // index into config_.script
    bool begins = true;
  };
  void plan_script();
  void faults_due();
  void play_fault(const FaultEdge& edge);
  void set_speed();

  // --- contention for the machine's cores (world_cores.cc)
  struct Cores {           // of one machine
    double loading = 0.0;  // threads of starting workers that want to run now
    double others = 0.0;   // and those of ready ones
    CoreShares shares;
  };
  std::uint16_t machine_for_next() const;
  double all_cpus() const;
  int cpus_of(std::uint16_t machine) const;  // that one worker may use
  double fluid_speed() const;                // of a CPU, while calls are fluid
  void cores_changed();
  void cores_event();
  // Share of a machine's CPUs that are computing now, 0 to 1; 0 without contention.
  double busy_ratio(std::uint16_t machine) const;
  void note_busy(double threads);
  double busy_mean() const;
  // The law for a request that ends now. Requires some in config_.transport.
  const Law& transport_now(Rng& rng) const;

  TimePoint time() const { return TimePoint(Duration(now_)); }

  const WorldConfig config_;
  std::int64_t now_;
  EventHeap heap_;
  std::vector<std::unique_ptr<ModelWorld>> models_;
  std::unique_ptr<scaling::Autoscaler> autoscaler_;
  Rng control_rng_;
  bool latency_wanted_ = false;
  std::int64_t from_gateway_ = 0;

  std::int64_t other_at_;    // the earliest of the following and the routes' timers
  std::int64_t control_at_;  // the autoscaler
  std::int64_t reading_at_;
  std::int64_t second_at_ = EventHeap::kNever;  // the next second of the window ends
  std::int64_t end_at_ = EventHeap::kNever;     // settling is over at the latest
  std::int64_t cores_at_ = EventHeap::kNever;   // a worker's CPU use changes (contention only)
  std::int64_t fault_at_ = EventHeap::kNever;   // the next of the script
  std::int64_t give_up_at_;                     // the replicas must be ready

  std::vector<FaultEdge> script_;  // by time; those before next_fault_ are over
  std::size_t next_fault_ = 0;
  double speed_ = 1.0;  // of every CPU

  bool loading_ = true;      // replicas are started; no load yet
  std::int64_t origin_ = 0;  // of the measured window
  std::int64_t load_from_ = 0;
  std::uint32_t second_ = 0;   // of the window
  std::uint32_t seconds_ = 0;  // of the window
  bool status_changed_ = true;
  bool done_ = false;
  bool cores_dirty_ = false;
  std::vector<double> machines_;    // CPUs of each
  std::vector<Cores> cores_;        // of each: who wants them
  double busy_now_ = 0.0;           // of the first machine: share of its CPUs that compute,
  double busy_mean_ = 0.0;          // and its mean over about the last second,
  std::int64_t busy_at_ = 0;        // as of then
  ModelWorld* arriving_ = nullptr;  // whose request comes next
  std::int64_t arrival_at_ = EventHeap::kNever;
  std::vector<DecisionTotals> decisions_;  // by model
  std::size_t holds_kept_ = 0;
  RunOutput output_;
};

}  // namespace spate::sim
