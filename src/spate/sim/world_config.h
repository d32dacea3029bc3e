// SPDX-License-Identifier: Apache-2.0
//
// WorldConfig: all that a simulated run is made of, in memory. lab/simulate.h makes one from a
// scenario and a machine profile; tests make them by hand.
//
// Threads: plain data.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/clock.h"
#include "spate/gateway/route.h"
#include "spate/influx/arrivals.h"
#include "spate/influx/profile.h"
#include "spate/scaling/autoscaler.h"
#include "spate/sim/law.h"
#include "spate/worker/cpu_limit.h"

namespace spate::sim {

// The CPU time of one call, by the size of its batch. A size without a law of its own takes that of
// the nearest measured one, scaled by the line between the means of its neighbours (beyond the
// last size in proportion).
struct ServiceLaws {
  struct Entry {
    int batch = 1;
    Law law;
  };
  std::vector<Entry> entries;  // by batch, at least one

  struct Draw {
    const Law* law = nullptr;
    double scale = 1.0;
  };
  Draw of(int batch) const;
  double mean_ns(int batch) const;
};

// How a replica comes to be, and what it costs. All phases follow each other.
struct StartLaws {
  Law spawn;                   // the decision until its process runs
  Law to_main;                 // until it has dialled in
  Law load;                    // CPU time on one thread: loading and warming up
  double failure_ratio = 0.0;  // share of starts whose process dies while loading
};

struct Faults {
  double crashes_per_hour = 0.0;  // of a ready replica: its process dies
  double hangs_per_hour = 0.0;    // of a ready replica: it stands still for good
};

// A fault at a given moment of the measured window.
struct ScriptedFault {
  enum class Kind {
    Crash,         // the processes of `count` serving replicas die, the oldest first
    Hang,          // so many stand still for good
    StartFailure,  // the next `count` starts from then on die while they load
    SlowMachine,   // for_s seconds long every CPU does `speed_ratio` of its work (others use it)
    NoReadings,    // for_s seconds long no reading of the replicas (CPU, throttling) can be had
  };
  static constexpr std::size_t kEveryModel = static_cast<std::size_t>(-1);

  Kind kind = Kind::Crash;
  double at_s = 0.0;                // from the beginning of the measured window
  double for_s = 0.0;               // SlowMachine, NoReadings
  std::size_t model = kEveryModel;  // index into WorldConfig::models
  int count = 1;                    // of each model
  double speed_ratio = 1.0;         // above 0
};

struct SimModel {
  scaling::ModelSettings settings;
  gateway::RouteOptions route;
  Duration deadline = gateway::kNever.time_since_epoch();  // sent with each request; max: none
  Duration slo_latency = std::chrono::seconds(1);
  std::shared_ptr<const influx::Profile> profile;  // requests per second
  influx::ArrivalOptions arrivals;
  std::uint32_t request_bytes = 1024;

  ServiceLaws service;          // CPU time in mode throughput, and in latency up to one CPU
  ServiceLaws service_threads;  // CPU time with several threads a call; may be empty
  // CPU time of a call of one request to a worker that has rested so long or longer: others have
  // used the caches meanwhile. 0: rest makes no difference.
  Duration rested_after{0};
  Law service_rested;
  StartLaws start;  // on an idle machine
  // While every CPU computes for others; between the two, in proportion. Loading then is the CPU
  // time it takes, as the competition for CPUs is simulated. Without contention it is not used.
  std::optional<StartLaws> start_busy;
  double memory_bytes = 0.0;  // per replica
  Faults faults;
};

struct WorldConfig {
  std::uint64_t seed = 1;
  std::uint64_t run = 0;  // number of the repetition
  double warm_up_s = 0.0;
  double duration_s = 0.0;
  double settle_s = 10.0;
  std::vector<SimModel> models;  // at most 256
  std::vector<ScriptedFault> script;

  scaling::AutoscalerOptions autoscaler;
  Duration reading_period = std::chrono::milliseconds(200);  // as the live control loop
  // Relative error of a replica's CPU readings (standard deviation of each increment).
  double cpu_noise_ratio = 0.0;

  // CPUs that all workers share; 0: as many as they want. With it their threads slow each other
  // down when more want to run than there are, at a cost per event that grows with the workers.
  double cores = 0.0;
  // CPUs of further machines (with `cores` only, which is the first one's). A replica starts on the
  // machine of which the smallest share is reserved, and stays there.
  std::vector<double> more_machines;
  int machine_cpus = 1;  // that one worker may use, see worker::concurrency_for
  bool limits = true;    // CFS quotas are enforced
  Duration cfs_period = std::chrono::milliseconds(100);
  Law decide;       // a decision until it reaches the engine, before StartLaws::spawn
  Law limit_delay;  // a limit's order until it is in force
  Duration heartbeat_timeout = std::chrono::seconds(10);  // until a hung worker counts as gone

  Law to_gateway;    // intended send until the gateway has the request: its mean is used
  Law from_gateway;  // answered until the client has the result
  // All that a latency has beyond the gateway's part of it, drawn for each request: at
  // `busy_ratio`, the share of the first machine's CPUs that its workers have used over the last
  // second. Between two of them one is taken by chance. Ascending from 0; empty: the two means
  // above.
  struct Transport {
    double busy_ratio = 0.0;  // 0 to 1
    Law law;
  };
  std::vector<Transport> transport;

  // The approximate mode (fluid_flow.h): requests in numbers per step of so long instead of one by
  // one. 0: exact. Divides a second.
  Duration fluid_step{0};

  bool record_waits = false;  // keep how long requests waited in the gateway, too

  std::size_t most_bins = 16384;       // of a series; beyond it bins are joined in pairs
  std::size_t most_holds = 20'000;     // decisions that changed nothing, kept one by one
  std::size_t most_records = 200'000;  // decisions and events kept in all
};

// Throws ConfigError when something cannot work: no models, no profile, no service law.
void check(const WorldConfig& config);

}  // namespace spate::sim
