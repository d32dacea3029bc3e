// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/cell.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "spate/base/sha256.h"
#include "spate/sim/world.h"

namespace spate::suite {
namespace {

using Json = nlohmann::json;

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
constexpr double kSecondsPerHour = 3600.0;

std::vector<judge::ReplicaLife> lives_of(const sim::RunOutput& output, const std::string& model) {
  std::map<std::string, judge::ReplicaLife> lives;
  for (const auto& e : output.events) {
    if (e.model != model) continue;
    const double at = to_seconds(e.at - output.measured_from);
    if (e.event == "replica_started") {
      if (at >= 0.0) lives.try_emplace(e.replica, judge::ReplicaLife{at, {}, {}});
      continue;
    }
    const auto life = lives.find(e.replica);
    if (life == lives.end()) continue;
    if (e.event == "ready" && !life->second.ready_s) life->second.ready_s = at;
    if ((e.event == "draining" || e.event == "gone") && !life->second.stopped_s &&
        e.at < output.ended) {
      life->second.stopped_s = at;
    }
  }
  std::vector<judge::ReplicaLife> out;
  for (auto& [replica, life] : lives) out.push_back(life);
  return out;
}

std::size_t oscillations_of(const sim::RunOutput& output, const std::string& model) {
  std::vector<double> at;
  std::vector<double> level;
  for (const auto& d : output.decisions) {
    if (d.model != model || d.at < output.measured_from) continue;
    if (at.empty()) {
      at.push_back(0.0);
      level.push_back(d.from_replicas * std::max(1e-3, d.from_cpu_limit));
    }
    at.push_back(to_seconds(d.at - output.measured_from));
    level.push_back(d.to_replicas * std::max(1e-3, d.to_cpu_limit));
  }
  return judge::oscillations(at, level);
}

double mean_start_s(const std::vector<judge::ReplicaLife>& lives, double otherwise) {
  double sum = 0.0;
  int count = 0;
  for (const auto& l : lives) {
    if (!l.ready_s) continue;
    sum += *l.ready_s - l.started_s;
    ++count;
  }
  return count > 0 ? sum / count : otherwise;
}

void measure_series(const SuiteModel& model, const sim::ModelOutput& output, double start_s,
                    CellModel& out) {
  judge::ElasticityInput input;
  input.step_s = output.bin_s;
  input.unit = model.capacity_per_s;
  input.resolution_s = std::max(1.0, start_s);
  std::vector<double> asked;
  std::vector<double> in_time;
  for (std::size_t i = 0; i < output.bins.size(); ++i) {
    const auto& bin = output.bins[i];
    const double middle = (static_cast<double>(i) + 0.5) * output.bin_s;
    if (middle >= model.sim.profile->duration_s()) break;
    const double share =
        bin.gauges.cpu_limit > 0.0 ? bin.gauges.cpu_limit / model.sim.settings.cpu_limit : 1.0;
    input.demand.push_back(model.sim.profile->rate(middle));
    input.supply.push_back(bin.gauges.ready * share * model.capacity_per_s);
    asked.push_back(static_cast<double>(bin.tally.planned));
    in_time.push_back(static_cast<double>(bin.tally.in_time));
  }
  if (const auto e = judge::elasticity_of(input)) out.elasticity = *e;
  if (const auto worst = judge::worst_window(asked, in_time, output.bin_s)) {
    out.worst_minute = worst->ratio;
  }
}

}  // namespace

bool Cell::meets() const {
  return std::all_of(models.begin(), models.end(),
                     [](const CellModel& m) { return m.attainment >= m.slo_target; });
}

double Cell::cost() const {
  double sum = 0.0;
  for (const auto& m : models) sum += m.cost;
  return sum;
}

double Cell::in_time() const {
  double sum = 0.0;
  for (const auto& m : models) sum += m.in_time;
  return sum;
}

double Cell::asked() const {
  double sum = 0.0;
  for (const auto& m : models) sum += m.asked;
  return sum;
}

Cell measure(const Suite& suite, const Demand& demand, const std::string& strategy,
             std::uint64_t seed, const sim::RunOutput& output) {
  Cell cell{demand.name, strategy, seed, {}, static_cast<double>(output.requests), output.problems};
  for (std::size_t i = 0; i < output.models.size(); ++i) {
    const auto& from = output.models[i];
    CellModel m;
    m.model = from.model;
    m.slo_target = demand.models[i].sim.settings.slo_target;
    m.asked = static_cast<double>(from.total.planned);
    m.in_time = static_cast<double>(from.total.in_time);
    // A run that never began answered nothing of what was to come.
    if (!output.problems.empty())
      m.asked = std::max(m.asked, demand.models[i].sim.profile->total());
    m.attainment = m.asked > 0.0 ? m.in_time / m.asked : 1.0;
    m.cpu_seconds = from.accounts.cpu_reserved_s;
    m.memory_gib_seconds = from.accounts.memory_byte_s / kGib;
    m.cost = (m.cpu_seconds * suite.prices.cpu_per_hour +
              m.memory_gib_seconds * suite.prices.memory_gib_per_hour) /
             kSecondsPerHour;
    if (from.total.answered() > 0) {
      m.p50_ms = to_seconds(from.latency.quantile(0.5)) * 1e3;
      m.p99_ms = to_seconds(from.latency.quantile(0.99)) * 1e3;
    }
    m.mean_ready = from.accounts.ready_s / demand.duration_s;
    const auto lives = lives_of(output, m.model);
    m.starts = lives.size();
    m.wasted_starts = judge::wasted_starts(lives);
    m.oscillations = oscillations_of(output, m.model);
    const auto& start = demand.models[i].sim.start;
    const double expected = (start.spawn.mean_ns() + start.load.mean_ns()) / 1e9;
    measure_series(demand.models[i], from, mean_start_s(lives, expected), m);
    cell.models.push_back(std::move(m));
  }
  return cell;
}

Cell run_cell(const Suite& suite, const Demand& demand, const SuiteStrategy& strategy,
              std::uint64_t seed, const scaling::StrategyRegistry& registry) {
  const auto make = [&](const scaling::StrategyRegistry& from) {
    return from.make(strategy.kind, strategy.options, strategy.label);
  };
  sim::World world(world_of(demand, seed),
                   strategy.sees_schedule ? make(scaling::builtin_strategies(schedule_of(demand)))
                                          : make(registry));
  return measure(suite, demand, strategy.label, seed, world.run());
}

Json to_json(const Cell& cell) {
  Json models = Json::array();
  for (const auto& m : cell.models) {
    const auto& e = m.elasticity;
    models.push_back({{"model", m.model},
                      {"asked", m.asked},
                      {"in_time", m.in_time},
                      {"slo_attainment", m.attainment},
                      {"slo_target", m.slo_target},
                      {"cost", m.cost},
                      {"cpu_seconds", m.cpu_seconds},
                      {"memory_gib_seconds", m.memory_gib_seconds},
                      {"p50_ms", m.p50_ms},
                      {"p99_ms", m.p99_ms},
                      {"mean_ready", m.mean_ready},
                      {"worst_minute_attainment", m.worst_minute},
                      {"starts", m.starts},
                      {"wasted_starts", m.wasted_starts},
                      {"oscillations", m.oscillations},
                      {"elasticity",
                       {{"theta_u_percent", e.theta_u_percent},
                        {"theta_o_percent", e.theta_o_percent},
                        {"tau_u_percent", e.tau_u_percent},
                        {"tau_o_percent", e.tau_o_percent},
                        {"instability_percent",
                         e.instability_percent ? Json(*e.instability_percent) : Json(nullptr)},
                        {"jitter_per_h", e.jitter_per_h},
                        {"resolution_s", e.resolution_s},
                        {"mean_demand_per_s", e.mean_demand},
                        {"mean_supply_per_s", e.mean_supply}}}});
  }
  return {{"demand", cell.demand},     {"strategy", cell.strategy}, {"seed", cell.seed},
          {"requests", cell.requests}, {"problems", cell.problems}, {"models", models}};
}

std::optional<Cell> cell_from_json(const Json& json) {
  try {
    Cell cell{json.at("demand"),   json.at("strategy"), json.at("seed"), {},
              json.at("requests"), json.at("problems")};
    for (const Json& from : json.at("models")) {
      CellModel m;
      m.model = from.at("model");
      m.asked = from.at("asked");
      m.in_time = from.at("in_time");
      m.attainment = from.at("slo_attainment");
      m.slo_target = from.at("slo_target");
      m.cost = from.at("cost");
      m.cpu_seconds = from.at("cpu_seconds");
      m.memory_gib_seconds = from.at("memory_gib_seconds");
      m.p50_ms = from.at("p50_ms");
      m.p99_ms = from.at("p99_ms");
      m.mean_ready = from.at("mean_ready");
      m.worst_minute = from.at("worst_minute_attainment");
      m.starts = from.at("starts");
      m.wasted_starts = from.at("wasted_starts");
      m.oscillations = from.at("oscillations");
      const Json& e = from.at("elasticity");
      m.elasticity.theta_u_percent = e.at("theta_u_percent");
      m.elasticity.theta_o_percent = e.at("theta_o_percent");
      m.elasticity.tau_u_percent = e.at("tau_u_percent");
      m.elasticity.tau_o_percent = e.at("tau_o_percent");
      if (!e.at("instability_percent").is_null()) {
        m.elasticity.instability_percent = e.at("instability_percent").get<double>();
      }
      m.elasticity.jitter_per_h = e.at("jitter_per_h");
      m.elasticity.resolution_s = e.at("resolution_s");
      m.elasticity.mean_demand = e.at("mean_demand_per_s");
      m.elasticity.mean_supply = e.at("mean_supply_per_s");
      cell.models.push_back(std::move(m));
    }
    return cell;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::string cell_key(const Suite& suite, const Demand& demand, const SuiteStrategy& strategy,
                     std::uint64_t seed, const std::string& version) {
  const Json all{{"demand", demand.settings},
                 {"strategy", strategy.settings},
                 {"seed", seed},
                 {"version", version},
                 {"prices", {suite.prices.cpu_per_hour, suite.prices.memory_gib_per_hour}}};
  return sha256_hex(all.dump());
}

}  // namespace spate::suite
