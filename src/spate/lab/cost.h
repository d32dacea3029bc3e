// SPDX-License-Identifier: Apache-2.0
//
// Cost: what a model's replicas reserved over the measured window, and what that is worth.
//
//   CPU-seconds   = sum over replicas of the integral of what is reserved for it,
//   reserved(t)   = the boost while it loads without a limit (from its start until its limit is
//                   applied), then max(its request, its limit) until it is gone, draining
//                   included. A vertical strategy that raises a limit reserves that much.
//   GiB-seconds   = integral of its workers' memory, read once a second.
//   cost          = CPU-seconds x price + GiB-seconds x price.
//
// A boosted replica loads on one thread (its runtime gets one), so it could use one CPU, or its
// limit when that is more, and never more than the machine has: that is what is charged.
//
// CPU-seconds come from the gateway's scaling events, which are exact in time; without them from
// its once-a-second `cpu_reserved`, and `from_events` says which. So do the means that the report
// draws: a reading catches a boost of 200 ms once in five times, and then shows a second of it.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spate/judge/prices.h"
#include "spate/lab/run_files.h"

namespace spate::lab {

using judge::Prices;

// A value that holds from `unix_s` until the next step.
struct Step {
  double unix_s = 0.0;
  double value = 0.0;
};

// The integral of a step function over [from, until). Before the first step the value is that
// of the first step. Requires `steps` in order of time.
double integrate(const std::vector<Step>& steps, double from, double until);

// What is reserved for one replica over its life.
struct ReplicaTimeline {
  std::string replica;
  double started_unix_s = 0.0;
  double boost_until_unix_s = 0.0;  // its limit was applied, or it was gone before
  std::vector<Step> reserved;  // CPUs; 0 while it is parked; ends with a step to 0 when it is gone
  double limit_before_parking = 0.0;  // CPUs reserved again once it is unparked
};

// What a model's replicas start with.
struct CpuTerms {
  double request = 0.0;  // CPUs
  double limit = 0.0;    // CPUs, in force until a decision changes it
  double boost = 1.0;    // CPUs charged while there is no limit
};

// The charge of a replica without a limit: one thread loads it, so one CPU, or its limit when
// that is more, never more than the machine has.
double boost_cpus(double cpu_limit, double machine_cores);

// Those of `model` in the scenario of `run`, on its machine.
CpuTerms cpu_terms(const RunFiles& run, const std::string& model);

// Are all scaling events there? A long simulated run keeps the first ones only.
bool has_every_event(const RunFiles& run);

// The timelines of `model`'s replicas from the scaling events of `run`. Empty when there is no
// event of a replica's start. An event `limit_applied` without a `cpu_limit` of its own applied
// what the decision before it wanted.
std::vector<ReplicaTimeline> replica_timelines(const RunFiles& run, const std::string& model,
                                               const CpuTerms& terms);

// Mean CPUs reserved over each interval between neighbouring `times`, which are ascending: one less
// than there are of them.
std::vector<double> mean_reserved(const std::vector<ReplicaTimeline>& timelines,
                                  const std::vector<double>& times);

struct ModelCost {
  double cpu_seconds = 0.0;
  double boost_cpu_seconds = 0.0;  // part of cpu_seconds
  double memory_gib_seconds = 0.0;
  double parked_seconds = 0.0;      // of parked replicas, each counted
  double parked_gib_seconds = 0.0;  // their part of memory_gib_seconds
  double cpu = 0.0;                 // money
  double memory = 0.0;              // money
  double total = 0.0;               // money
  double parked = 0.0;              // money: the part of `memory` that parked replicas held
  bool from_events = false;
};

ModelCost cost_of(const RunFiles& run, const std::string& model, const CpuTerms& terms,
                  const Prices& prices);

// Fills in the money for its seconds.
void price(ModelCost& cost, const Prices& prices);

// Money per 1 000 answers that were right in form and in time; unset when there was none.
std::optional<double> per_thousand(double total, double good_answers);

}  // namespace spate::lab
