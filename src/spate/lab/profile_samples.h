// SPDX-License-Identifier: Apache-2.0
//
// ProfileSamples: what measuring a machine gives, value by value, before anything is made of it.
// profile_measure.h takes them from real workers, profile_assembly.h makes the file of them.
//
// Threads: plain data.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "spate/base/histogram.h"
#include "spate/lab/worker_bench.h"

namespace spate::lab {

// Calls of one saturated worker, one after the other.
struct CallSamples {
  int batch = 1;
  double cpus = 0.0;  // its CPU limit
  int threads = 1;    // of each call
  std::vector<BenchCall> calls;
  double memory_bytes = 0.0;  // resident, after them; 0: not read
};

struct StartSample {
  Duration spawn{};       // order until its process runs
  Duration to_main{};     // from there until it has dialled in
  Duration load{};        // from there until it is ready
  Duration load_cpu{};    // the CPU time it used meanwhile
  Duration first_call{};  // the first request's round trip
};

// CPU time of a saturated worker around a change of its limit.
struct FollowSample {
  double from_cpus = 0.0;
  double to_cpus = 0.0;
  Duration in_force{};  // order until carried out
  struct Reading {
    Duration since_order{};  // negative before it
    Duration cpu{};          // of the process
  };
  std::vector<Reading> readings;  // in order of time
};

// A light load through broker and gateway, first at one rate, then at a lower one.
struct TransportSamples {
  std::string model;
  Histogram latency;  // of influx, from the intended send
  double high_per_s = 0.0, low_per_s = 0.0;
  double high_cpus = 0.0, low_cpus = 0.0;     // used by gateway, broker and influx together
  std::vector<Duration> decision_to_process;  // of replicas that a strategy asked for
  // The same light load while workers of the slowest model compute.
  struct Loaded {
    double busy_ratio = 0.0;  // share of the machine's CPUs that they use, 0 to 1
    Histogram latency;
  };
  std::vector<Loaded> loaded;  // ascending
};

struct ModelSamples {
  std::string name;  // the model directory's
  std::string variant;
  std::string version;
  std::vector<CallSamples> calls;    // by batch, one thread, more CPU than it can use
  std::vector<CallSamples> threads;  // the same with several threads a call; may be empty
  std::vector<CallSamples> checks;   // single requests under tighter limits
  CallSamples rested;                // single requests, each after a pause; may have no calls
  std::vector<StartSample> idle, busy;
  int busy_threads = 0;  // that computed beside the starts of `busy`
};

struct ProfileSamples {
  std::string spate;  // version
  double measured_unix_s = 0.0;
  nlohmann::json machine, canary;
  int cores = 1;
  std::string limit_mechanism, limit_note;
  Duration cfs_period = std::chrono::milliseconds(100);
  std::vector<FollowSample> follows;
  std::string followed_model;
  TransportSamples transport;
  std::vector<ModelSamples> models;
  std::vector<std::string> warnings;
};

}  // namespace spate::lab
