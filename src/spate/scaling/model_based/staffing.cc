// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/model_based/staffing.h"

#include <fmt/format.h>

#include <algorithm>

#include "spate/scaling/kit/queueing.h"

namespace spate::scaling {

std::vector<OptionSpec> StaffingOptions::specs() {
  return {
      {"arrivals_cv", 1.0, 0.0, 20.0,
       "coefficient of variation of the times between arrivals; 1 = Poisson"},
      {"service_cv", 0.2, 0.0, 20.0, "coefficient of variation of service times"},
      {"utilisation_ratio", 0.9, 0.05, 1.0,
       "utilisation that is kept where the objective leaves no time for waiting"},
  };
}

StaffingOptions StaffingOptions::read(const StrategyOptions& options) {
  return {.arrivals_cv = options.number("arrivals_cv"),
          .service_cv = options.number("service_cv"),
          .utilisation_ratio = options.number("utilisation_ratio")};
}

Staffing staff(const ModelView& model, double cost_cpu_s, double arrivals_per_s,
               const StaffingOptions& options) {
  const double cpus = model.cpu_limit;
  const int calls = calls_at_once(cpus);
  const double service_s = cost_cpu_s / std::min(std::max(cpus, 1e-3), 1.0);
  const double p = std::clamp(model.slo_target, 0.5, 0.9999);
  const double service_p_s =
      service_s * (1.0 + std::max(0.0, normal_quantile(p)) * options.service_cv);
  const double wait_s = model.slo_latency_s - service_p_s;
  const QueueModel queue{.arrivals_per_s = arrivals_per_s,
                         .server_rate_per_s = 1.0 / service_s,
                         .arrivals_cv = options.arrivals_cv,
                         .service_cv = options.service_cv};
  const int most = std::max(1, model.bounds.max_replicas);
  const auto servers = fewest_servers(queue, p, wait_s, most * calls, calls);
  if (servers) {
    return {
        .replicas = (*servers + calls - 1) / calls,
        .how = fmt::format("wait at most {:.0f} ms for {:.1f} % with a service time of {:.0f} ms",
                           1e3 * wait_s, 100.0 * p, 1e3 * service_s)};
  }
  const int floor_n =
      ceil_replicas(arrivals_per_s * service_s / (calls * options.utilisation_ratio));
  if (wait_s < 0.0) {
    return {.replicas = std::max(floor_n, arrivals_per_s > 0.0 ? 1 : 0),
            .how = fmt::format("the service time's quantile of {:.0f} ms alone is above the "
                               "objective of {:.0f} ms; utilisation is kept at {:.2f}",
                               1e3 * service_p_s, 1e3 * model.slo_latency_s,
                               options.utilisation_ratio)};
  }
  return {
      .replicas = std::max(floor_n, most),
      .how = fmt::format("not even {} replicas keep the wait below {:.0f} ms", most, 1e3 * wait_s)};
}

}  // namespace spate::scaling
