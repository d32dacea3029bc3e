// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/run_elasticity.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "spate/base/config_error.h"
#include "spate/base/config_reader.h"
#include "spate/influx/profile.h"
#include "spate/lab/cost.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

Json at(const Json& object, std::initializer_list<const char*> path) {
  const Json* node = &object;
  for (const char* key : path) {
    if (!node->is_object()) return nullptr;
    const auto found = node->find(key);
    if (found == node->end()) return nullptr;
    node = &*found;
  }
  return *node;
}

// The rate offered in each second of the window. From the profile; where it cannot be had again (a
// trace that is gone) from what was planned, which has the noise of the arrivals in it.
std::vector<double> demand_of(const Json& settings, const std::vector<InfluxSample>& samples,
                              std::size_t seconds) {
  std::vector<double> out(seconds, 0.0);
  const Json profile = at(settings, {"demand", "profile"});
  if (profile.is_object()) {
    try {
      const auto read = influx::read_profile(ConfigReader::from_text(profile.dump(), "profile"),
                                             {static_cast<double>(seconds), std::nullopt, {}});
      for (std::size_t i = 0; i < seconds; ++i) out[i] = read.rate(static_cast<double>(i) + 0.5);
      return out;
    } catch (const ConfigError&) {
      // Falls through to the counts.
    }
  }
  for (const auto& s : samples) {
    if (s.t_s >= 0.0 && s.t_s < static_cast<double>(seconds)) {
      out[static_cast<std::size_t>(s.t_s)] += s.planned;
    }
  }
  return out;
}

std::vector<double> supply_of(const std::vector<GatewaySample>& series, double from,
                              std::size_t seconds, double capacity, double limit) {
  std::vector<Step> steps;
  for (const auto& s : series) {
    const double share = limit > 0.0 && s.cpu_limit > 0.0 ? s.cpu_limit / limit : 1.0;
    steps.push_back({s.unix_s, s.ready * share * capacity});
  }
  std::vector<double> out(seconds, 0.0);
  for (std::size_t i = 0; i < seconds; ++i) {
    const double begin = from + static_cast<double>(i);
    out[i] = integrate(steps, begin, begin + 1.0);
  }
  return out;
}

void judge_supply(const RunFiles& files, const std::string& model, const Json& settings,
                  const std::vector<SurgeResult>& surges, double start_s, RunElasticity& out) {
  const double capacity = number_of(at(settings, {"demand", "capacity"}), "per_s");
  const auto series = files.gateway.find(model);
  const auto seconds = static_cast<std::size_t>(
      std::max(0.0, std::floor(files.measured_until - files.measured_from + 1e-6)));
  if (capacity <= 0.0) {
    out.without = "the capacity of a replica was not measured (the demand is given per second)";
  } else if (series == files.gateway.end() || seconds == 0) {
    out.without = "no series of the gateway";
  }
  if (!out.without.empty()) return;
  static const std::vector<InfluxSample> none;
  const auto samples = files.influx.find(model);
  judge::ElasticityInput input;
  input.demand =
      demand_of(settings, samples == files.influx.end() ? none : samples->second, seconds);
  input.supply = supply_of(series->second, files.measured_from, seconds, capacity,
                           number_of(settings, "cpu_limit"));
  input.unit = capacity;
  input.resolution_s = std::max(1.0, start_s);
  out.spec = judge::elasticity_of(input);
  for (const auto& s : surges) {
    const auto recovery = judge::supply_recovery_s(input, s.surge.from_s, s.surge.until_s);
    if (!recovery) out.supply_recovered = false;
    if (recovery) {
      out.supply_recovery_s = std::max(out.supply_recovery_s.value_or(0.0), *recovery);
    }
  }
  if (!out.supply_recovered) out.supply_recovery_s.reset();
}

void judge_moves(const RunFiles& files, const std::string& model, RunElasticity& out) {
  std::vector<double> times;
  std::vector<double> levels;
  std::map<std::string, judge::ReplicaLife> lives;
  for (const Json& line : files.decisions) {
    if (text_of(line, "model") != model) continue;
    const double when = number_of(line, "unix_s");
    const std::string event = text_of(line, "event");
    const std::string replica = text_of(line, "replica");
    if (event.empty()) {
      if (when < files.measured_from || when >= files.measured_until) continue;
      const auto cpus = [&](const char* key) {
        const Json side = at(line, {key});
        return number_of(side, "replicas") * std::max(1e-3, number_of(side, "cpu_limit"));
      };
      if (times.empty()) {
        times.push_back(files.measured_from);
        levels.push_back(cpus("from"));
      }
      times.push_back(when);
      levels.push_back(cpus("to"));
    } else if (event == "replica_started") {
      lives.try_emplace(replica, judge::ReplicaLife{when, std::nullopt, std::nullopt});
    } else if (const auto life = lives.find(replica); life != lives.end()) {
      if (event == "ready" && !life->second.ready_s) life->second.ready_s = when;
      if ((event == "draining" || event == "gone") && !life->second.stopped_s &&
          when < files.measured_until) {
        life->second.stopped_s = when;
      }
    }
  }
  out.oscillations = judge::oscillations(times, levels);
  std::vector<judge::ReplicaLife> all;
  for (const auto& [replica, life] : lives) {
    if (life.started_s >= files.measured_from) all.push_back(life);
  }
  out.starts = all.size();
  out.wasted_starts = judge::wasted_starts(all);
}

}  // namespace

RunElasticity elasticity_of_run(const RunFiles& files, const std::string& model,
                                const Json& settings, const std::vector<SurgeResult>& surges,
                                double start_s) {
  RunElasticity out;
  judge_supply(files, model, settings, surges, start_s, out);
  judge_moves(files, model, out);
  if (const auto samples = files.influx.find(model); samples != files.influx.end()) {
    std::vector<double> asked;
    std::vector<double> in_time;
    for (const auto& s : samples->second) {
      asked.push_back(s.planned);
      in_time.push_back(s.in_time);
    }
    // A long simulated run has lines that stand for several seconds.
    const auto& lines = samples->second;
    const double width_s = lines.size() > 1 ? lines[1].t_s - lines[0].t_s : 1.0;
    out.worst_minute = judge::worst_window(asked, in_time, width_s);
    if (out.worst_minute) out.worst_minute->from_s += samples->second.front().t_s;
  }
  return out;
}

Json elasticity_json(const RunElasticity& e) {
  Json out{
      {"oscillations", e.oscillations}, {"starts", e.starts}, {"wasted_starts", e.wasted_starts}};
  out["worst_minute"] = nullptr;
  if (e.worst_minute) {
    out["worst_minute"] = {{"from_s", e.worst_minute->from_s},
                           {"asked", e.worst_minute->asked},
                           {"attainment", e.worst_minute->ratio}};
  }
  if (!e.spec) {
    out["without"] = e.without;
    return out;
  }
  out["theta_u_percent"] = e.spec->theta_u_percent;
  out["theta_o_percent"] = e.spec->theta_o_percent;
  out["tau_u_percent"] = e.spec->tau_u_percent;
  out["tau_o_percent"] = e.spec->tau_o_percent;
  out["instability_percent"] =
      e.spec->instability_percent ? Json(*e.spec->instability_percent) : Json(nullptr);
  out["jitter_per_h"] = e.spec->jitter_per_h;
  out["resolution_s"] = e.spec->resolution_s;
  out["mean_demand_per_s"] = e.spec->mean_demand;
  out["mean_supply_per_s"] = e.spec->mean_supply;
  out["supply_recovered"] = e.supply_recovered;
  out["supply_recovery_s"] = e.supply_recovery_s ? Json(*e.supply_recovery_s) : Json(nullptr);
  return out;
}

}  // namespace spate::lab
