// SPDX-License-Identifier: Apache-2.0
//
// CapacitySearch: the largest Poisson rate that one replica serves within its objective.
//
// The replica's service times were measured; the queueing in front of it is gateway::Route, the
// object that serves live, driven here in virtual time: admission, early refusal, batching,
// expiry and all. Attainment falls with the rate, so the rate is found by bisection, with the same
// random numbers at every rate. The interval comes from resampling the measured service times
// (bootstrap): it is the uncertainty of the measurement, not that of the machine.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "spate/base/clock.h"
#include "spate/gateway/route.h"

namespace spate::lab {

// Measured times from dispatch until the answer, by size of the batch.
using ServiceTimes = std::map<int, std::vector<Duration>>;

struct CapacityQuestion {
  gateway::RouteOptions route;
  ServiceTimes service;       // not empty, no empty list; drawn for the smallest size >= the batch
  std::uint32_t credits = 1;  // batches that the replica works on at once
  double cpu_limit = 1.0;
  Duration slo_latency = std::chrono::seconds(1);
  Duration deadline = std::chrono::seconds(1);  // sent with each request
  double target = 0.95;                         // share of requests answered within slo_latency
  std::uint64_t seed = 1;
  int requests = 20'000;  // per simulated rate; the estimate's own noise falls with their root
  int bootstraps = 20;    // resamples for the interval, at least 3; 0: no interval
};

// Share of requests answered in time at `rate_per_s` > 0, over `requests` of them after a tenth
// more to warm up.
double simulate_attainment(const CapacityQuestion& question, double rate_per_s, int requests,
                           std::uint64_t seed);

struct CapacityAnswer {
  double rate_per_s = 0.0;
  double low_per_s = 0.0;  // 90 % interval by the bootstrap; the rate itself without one
  double high_per_s = 0.0;
  double saturated_per_s = 0.0;  // what the replica serves when it never waits
};

CapacityAnswer find_capacity(const CapacityQuestion& question);

}  // namespace spate::lab
