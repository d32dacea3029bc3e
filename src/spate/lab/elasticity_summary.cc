// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/elasticity_summary.h"

#include <algorithm>

namespace spate::lab {
namespace {

using Json = nlohmann::json;

Json maybe(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

// Means of the runs that have them.
std::optional<judge::Elasticity> mean_of(const std::vector<const ModelResult*>& results) {
  judge::Elasticity out;
  double n = 0.0;
  double stable = 0.0;
  double instability = 0.0;
  for (const ModelResult* m : results) {
    const auto& e = m->elasticity.spec;
    if (!e) continue;
    n += 1.0;
    out.theta_u_percent += e->theta_u_percent;
    out.theta_o_percent += e->theta_o_percent;
    out.tau_u_percent += e->tau_u_percent;
    out.tau_o_percent += e->tau_o_percent;
    out.jitter_per_h += e->jitter_per_h;
    out.resolution_s += e->resolution_s;
    out.mean_demand += e->mean_demand;
    out.mean_supply += e->mean_supply;
    if (e->instability_percent) {
      stable += 1.0;
      instability += *e->instability_percent;
    }
  }
  if (n == 0.0) return std::nullopt;
  for (double* value :
       {&out.theta_u_percent, &out.theta_o_percent, &out.tau_u_percent, &out.tau_o_percent,
        &out.jitter_per_h, &out.resolution_s, &out.mean_demand, &out.mean_supply}) {
    *value /= n;
  }
  if (stable > 0.0) out.instability_percent = instability / stable;
  return out;
}

// Every run of a scenario has the same surges; a run that was cut short has fewer.
std::vector<SurgeSummary> surges_of(const std::vector<const ModelResult*>& results) {
  std::vector<SurgeSummary> out;
  std::vector<std::pair<double, double>> after;  // asked, in time
  for (const ModelResult* m : results) {
    for (std::size_t i = 0; i < m->surges.size(); ++i) {
      if (i == out.size()) {
        out.push_back({m->surges[i].surge, {}, {}, true});
        after.emplace_back(0.0, 0.0);
      }
      const SurgeResult& s = m->surges[i];
      after[i].first += s.asked_after;
      after[i].second += s.in_time_after;
      if (s.recovery_s) {
        out[i].recovery_s = std::max(out[i].recovery_s.value_or(0.0), *s.recovery_s);
      } else if (s.asked > 0.0) {
        out[i].recovered = false;
      }
    }
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (after[i].first > 0.0) out[i].attainment_after = after[i].second / after[i].first;
    if (!out[i].recovered) out[i].recovery_s.reset();
  }
  return out;
}

}  // namespace

ElasticitySummary summarise_elasticity(const std::vector<const ModelResult*>& results) {
  ElasticitySummary out;
  out.mean = mean_of(results);
  const auto n = static_cast<double>(results.size());
  for (const ModelResult* m : results) {
    const RunElasticity& e = m->elasticity;
    if (!out.mean) out.without = e.without;
    if (e.worst_minute) {
      out.worst_minute = std::min(out.worst_minute.value_or(1.0), e.worst_minute->ratio);
    }
    out.supply_recovered = out.supply_recovered && e.supply_recovered;
    if (e.supply_recovery_s) {
      out.supply_recovery_s = std::max(out.supply_recovery_s.value_or(0.0), *e.supply_recovery_s);
    }
    out.oscillations += static_cast<double>(e.oscillations) / n;
    out.starts += static_cast<double>(e.starts) / n;
    out.wasted_starts += static_cast<double>(e.wasted_starts) / n;
  }
  if (!out.supply_recovered) out.supply_recovery_s.reset();
  out.surges = surges_of(results);
  return out;
}

Json elasticity_json(const ElasticitySummary& s) {
  Json surges = Json::array();
  for (const auto& x : s.surges) {
    surges.push_back({{"from_s", x.surge.from_s},
                      {"until_s", x.surge.until_s},
                      {"rate_per_s", x.surge.rate_per_s},
                      {"attainment_after", maybe(x.attainment_after)},
                      {"recovered", x.recovered},
                      {"recovery_s", maybe(x.recovery_s)}});
  }
  Json out{{"worst_minute_attainment", maybe(s.worst_minute)},
           {"oscillations", s.oscillations},
           {"starts", s.starts},
           {"wasted_starts", s.wasted_starts},
           {"surges", surges}};
  if (!s.mean) {
    out["without"] = s.without;
    return out;
  }
  out["theta_u_percent"] = s.mean->theta_u_percent;
  out["theta_o_percent"] = s.mean->theta_o_percent;
  out["tau_u_percent"] = s.mean->tau_u_percent;
  out["tau_o_percent"] = s.mean->tau_o_percent;
  out["instability_percent"] = maybe(s.mean->instability_percent);
  out["jitter_per_h"] = s.mean->jitter_per_h;
  out["resolution_s"] = s.mean->resolution_s;
  out["elastic_speedup"] = maybe(s.speedup);
  out["supply_recovered"] = s.supply_recovered;
  out["supply_recovery_s"] = maybe(s.supply_recovery_s);
  return out;
}

}  // namespace spate::lab
