// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/kit/queueing.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "spate/base/check.h"

namespace spate::scaling {
namespace {

double c_from_b(int servers, double load, double b) {
  return load >= servers ? 1.0 : servers * b / (servers - load * (1.0 - b));
}

double scale(const QueueModel& m) {
  return (m.arrivals_cv * m.arrivals_cv + m.service_cv * m.service_cv) / 2.0;
}

double quantile_from_c(const QueueModel& m, int servers, double p, double c) {
  const double spare = servers * m.server_rate_per_s - m.arrivals_per_s;
  if (spare <= 0.0) return std::numeric_limits<double>::infinity();
  if (p >= 1.0) return std::numeric_limits<double>::infinity();
  return scale(m) * std::max(0.0, std::log(c / (1.0 - p)) / spare);
}

}  // namespace

double erlang_b(int servers, double load) {
  SPATE_CHECK(servers >= 1 && load > 0.0, "Erlang B needs servers and load");
  double b = 1.0;
  for (int k = 1; k <= servers; ++k) b = load * b / (k + load * b);
  return b;
}

double erlang_c(int servers, double load) {
  return c_from_b(servers, load, erlang_b(servers, load));
}

double wait_quantile_s(const QueueModel& m, int servers, double p) {
  if (m.arrivals_per_s <= 0.0) return 0.0;
  return quantile_from_c(m, servers, p, erlang_c(servers, m.arrivals_per_s / m.server_rate_per_s));
}

double mean_wait_s(const QueueModel& m, int servers) {
  if (m.arrivals_per_s <= 0.0) return 0.0;
  const double spare = servers * m.server_rate_per_s - m.arrivals_per_s;
  if (spare <= 0.0) return std::numeric_limits<double>::infinity();
  return scale(m) * erlang_c(servers, m.arrivals_per_s / m.server_rate_per_s) / spare;
}

std::optional<int> fewest_servers(const QueueModel& m, double p, double limit_s, int most,
                                  int step) {
  if (limit_s < 0.0 || most < 1) return std::nullopt;
  if (m.arrivals_per_s <= 0.0) return std::min(step, most);
  const double load = m.arrivals_per_s / m.server_rate_per_s;
  double b = 1.0;
  for (int k = 1; k <= most; ++k) {
    b = load * b / (k + load * b);
    if (k % step != 0) continue;
    if (quantile_from_c(m, k, p, c_from_b(k, load, b)) <= limit_s) return k;
  }
  return std::nullopt;
}

double normal_quantile(double p) {
  SPATE_CHECK(p > 0.0 && p < 1.0, "a quantile of the normal distribution lies inside (0, 1)");
  // Bisection on the distribution function: 60 halvings of [-10, 10] reach double precision.
  double low = -10.0;
  double high = 10.0;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2.0;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return (low + high) / 2.0;
}

}  // namespace spate::scaling
