// SPDX-License-Identifier: Apache-2.0
//
// RunOutput: what a simulated run came to, in memory. lab/simulate.h makes the files and results of
// a live run's form from it.
//
// Threads: plain data.
#pragma once

#include <string>
#include <vector>

#include "spate/base/histogram.h"
#include "spate/scaling/autoscaler.h"
#include "spate/sim/recorder.h"

namespace spate::sim {

// Over the measured window; integrals are exact in time.
struct Accounts {
  double cpu_reserved_s = 0.0;  // CPU-seconds reserved, start-up and draining included
  double cpu_used_s = 0.0;      // by the workers
  double memory_byte_s = 0.0;
  double replica_s = 0.0;  // replicas that existed, seconds
  double ready_s = 0.0;
  double cpu_limit_s = 0.0;  // wanted limit x seconds
  int most_replicas = 0;
};

struct DecisionTotals {
  std::uint64_t up = 0;
  std::uint64_t down = 0;
  std::uint64_t hold = 0;
  std::uint64_t clipped = 0;
};

struct ModelOutput {
  std::string model;
  Tally total;            // of the measured window
  Histogram latency;      // of its answers, from the intended send
  Histogram waits;        // in the gateway's queue; only if asked for
  std::vector<Bin> bins;  // bin i begins i x bin_s after the window's beginning
  double bin_s = 1.0;
  Accounts accounts;
  DecisionTotals decisions;
  std::uint64_t batches = 0;  // sent, over the whole run
  std::uint64_t redispatched = 0;
  std::uint64_t hung = 0;
};

struct RunOutput {
  std::vector<ModelOutput> models;
  TimePoint load_from{};  // the warm-up begins
  TimePoint measured_from{};
  TimePoint ended{};
  std::vector<scaling::DecisionRecord> decisions;  // of the whole run, see records_dropped
  std::vector<scaling::ScalingEvent> events;
  // Decisions that changed nothing are kept up to a number; decisions and events in all, too.
  std::uint64_t holds_dropped = 0;
  std::uint64_t records_dropped = 0;
  std::vector<std::string> problems;  // why the run says nothing
  std::uint64_t requests = 0;         // simulated in all, the warm-up's included
};

}  // namespace spate::sim
