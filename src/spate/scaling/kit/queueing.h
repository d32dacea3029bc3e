// SPDX-License-Identifier: Apache-2.0
//
// Queueing: how long requests wait for one of `servers` servers.
//
//   a = lambda / mu                 offered load (servers' worth of work)
//   B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1))          Erlang B
//   C = s B / (s - a (1 - B))                           Erlang C: share that must wait
//   P(W > t) = C exp(-(s mu - lambda) t)                M/M/s
//   quantile p of W = max(0, ln(C / (1 - p)) / (s mu - lambda))
//   M/G/s: times (ca^2 + cs^2) / 2                      Allen and Cunneen; exact for M/M/s,
//                                                       half of it for M/D/s
// Sources: Erlang's formulas; A. O. Allen, "Probability, Statistics, and Queueing Theory" (1978).
#pragma once

#include <optional>

namespace spate::scaling {

// Requires servers >= 1 and load > 0. Probability that an arrival finds all servers busy, in a
// system without (B) and with (C) a queue; C is 1 where the load is not below the servers.
double erlang_b(int servers, double load);
double erlang_c(int servers, double load);

struct QueueModel {
  double arrivals_per_s = 0.0;
  double server_rate_per_s = 1.0;  // mu > 0
  double arrivals_cv = 1.0;        // coefficient of variation; 1 = Poisson
  double service_cv = 1.0;         // 1 = exponential, 0 = always the same
};

// Seconds that the share `p` (0 to 1) of requests waits at most; infinity when the servers do
// not keep up.
double wait_quantile_s(const QueueModel& model, int servers, double p);
double mean_wait_s(const QueueModel& model, int servers);

// The smallest number of servers, from 1 to `most`, with wait_quantile_s <= limit_s; nothing if
// even `most` is too few. `step` servers come together (the calls that one replica runs at once).
std::optional<int> fewest_servers(const QueueModel& model, double p, double limit_s, int most,
                                  int step = 1);

// The standard normal distribution's quantile, 0 < p < 1. About 2 us.
double normal_quantile(double p);

}  // namespace spate::scaling
