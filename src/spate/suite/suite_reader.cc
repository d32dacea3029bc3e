// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "spate/base/check.h"
#include "spate/sim/fault_script.h"
#include "spate/sim/planned_demand.h"
#include "spate/sim/world.h"
#include "spate/suite/suite.h"
#include "spate/suite/week.h"

namespace spate::suite {
namespace {

using Json = nlohmann::json;

constexpr double kMib = 1024.0 * 1024.0;
constexpr double kMostCpus = 1024.0;

sim::Law law_of(double ms, double cv) {
  const Duration mean = from_seconds(ms / 1000.0);
  return cv > 0.0 ? sim::Law::gamma(mean, cv) : sim::Law::constant(mean);
}

Json json_of(const ConfigReader& in) { return Json::parse(in.to_json_text()); }

// `over` on top of `base`; maps are merged.
Json merged(Json base, const Json& over) {
  if (!base.is_object() || !over.is_object()) return over;
  for (const auto& [key, value] : over.items()) {
    base[key] = base.contains(key) ? merged(base[key], value) : value;
  }
  return base;
}

void read_service(const ConfigReader& in, sim::SimModel& out) {
  in.allow_only({"cpu_ms", "cv", "max_batch", "batch_cpu_ms", "max_delay_ms"});
  const double ms = in.at("cpu_ms").number(0.001, 1e6);
  const double cv = in.number_or("cv", 0.0, 0.0, 20.0);
  out.route.max_batch = static_cast<int>(in.integer_or("max_batch", 1, 1, 1024));
  out.route.max_delay = in.milliseconds_or("max_delay_ms", Duration(0), 0.0, 60'000.0);
  out.service.entries.push_back({1, law_of(ms, cv)});
  if (out.route.max_batch > 1) {
    const double whole = in.number_or("batch_cpu_ms", ms * out.route.max_batch, ms, 1e9);
    out.service.entries.push_back({out.route.max_batch, law_of(whole, cv)});
  } else if (in.has("batch_cpu_ms")) {
    in.complain("batch_cpu_ms is the CPU time of a batch of max_batch, which is 1");
  }
}

void read_start(const ConfigReader& in, SuiteModel& out) {
  in.allow_only({"spawn_ms", "load_cpu_ms", "cv", "failure_ratio"});
  const double cv = in.number_or("cv", 0.1, 0.0, 20.0);
  const double load = in.number_or("load_cpu_ms", 1000.0, 0.0, 1e7);
  out.sim.start.spawn = law_of(in.number_or("spawn_ms", 100.0, 0.0, 1e7), cv);
  out.sim.start.load = law_of(load, cv);
  out.sim.start.failure_ratio = in.number_or("failure_ratio", 0.0, 0.0, 0.99);
  out.load_cpu_s = load / 1000.0;
}

void read_bounds(const ConfigReader& in, scaling::ModelSettings& m) {
  in.allow_only({"min_replicas", "max_replicas", "min_cpu", "max_cpu", "cpu_ceiling"});
  m.bounds.min_replicas = static_cast<int>(in.integer_or("min_replicas", 1, 0, 100'000));
  m.bounds.max_replicas = static_cast<int>(
      in.integer_or("max_replicas", m.replicas, std::max(1, m.bounds.min_replicas), 100'000));
  m.bounds.min_cpu = in.number_or("min_cpu", m.cpu_limit, 0.01, kMostCpus);
  m.bounds.max_cpu = in.number_or("max_cpu", m.cpu_limit, m.bounds.min_cpu, kMostCpus);
  m.bounds.cpu_ceiling = in.number_or(
      "cpu_ceiling", std::max(m.bounds.max_replicas * m.cpu_limit, m.replicas * m.bounds.max_cpu),
      0.01, 1e6);
  if (m.replicas < m.bounds.min_replicas || m.replicas > m.bounds.max_replicas) {
    in.complain(fmt::format("replicas is {}, outside {} to {}", m.replicas, m.bounds.min_replicas,
                            m.bounds.max_replicas));
  }
  if (m.cpu_limit < m.bounds.min_cpu || m.cpu_limit > m.bounds.max_cpu) {
    in.complain(fmt::format("cpu_limit is {:g}, outside {:g} to {:g}", m.cpu_limit,
                            m.bounds.min_cpu, m.bounds.max_cpu));
  }
}

SuiteModel read_model(const std::string& name, const ConfigReader& in) {
  in.allow_only({"service", "start", "slo", "cpu_limit", "replicas", "bounds", "memory_mib",
                 "profile", "arrivals", "queue_max"});
  SuiteModel out{{}, 0.0, 0.0, in.at("profile")};
  scaling::ModelSettings& m = out.sim.settings;
  m.name = name;
  read_service(in.at("service"), out.sim);
  m.cpu_limit = in.number_or("cpu_limit", 1.0, 0.01, kMostCpus);
  m.cpu_request = m.cpu_limit;
  m.replicas = static_cast<int>(in.integer_or("replicas", 1, 0, 100'000));
  const ConfigReader slo = in.at("slo");
  slo.allow_only({"latency_ms", "target"});
  m.slo_latency_s = slo.at("latency_ms").number(1.0, 3.6e6) / 1000.0;
  m.slo_target = slo.at("target").number(0.001, 1.0);
  read_bounds(in.at("bounds"), m);
  if (const auto start = in.find("start")) {
    read_start(*start, out);
  } else {
    read_start(ConfigReader::from_text("{}", "start"), out);
  }
  out.sim.memory_bytes = in.number_or("memory_mib", 256.0, 0.0, 1e7) * kMib;
  out.sim.slo_latency = from_seconds(m.slo_latency_s);
  out.sim.deadline = out.sim.slo_latency;
  out.sim.route.max_queue_messages =
      static_cast<std::size_t>(in.integer_or("queue_max", 10'000, 1, 10'000'000));
  if (const auto arrivals = in.find("arrivals")) {
    out.sim.arrivals = influx::read_arrivals(*arrivals);
  }
  const double service_s = out.sim.service.mean_ns(1) / 1e9 / std::min(1.0, m.cpu_limit);
  if (service_s >= m.slo_latency_s) {
    in.complain(fmt::format(
        "no answer can come in time: a request takes {:g} ms of CPU, at {:g} CPU {:g} ms, and the "
        "objective is {:g} ms",
        out.sim.service.mean_ns(1) / 1e6, m.cpu_limit, service_s * 1e3, m.slo_latency_s * 1e3));
  }
  return out;
}

// The key under which equal replicas are measured once.
std::string replica_key(const Json& model) {
  Json key;
  for (const char* part : {"service", "slo", "cpu_limit", "queue_max"}) {
    if (model.contains(part)) key[part] = model[part];
  }
  return key.dump();
}

class Reader {
 public:
  Reader(const std::filesystem::path& file, const scaling::StrategyRegistry& registry)
      : file_(file), in_(ConfigReader::from_file(file)), registry_(registry) {}

  Suite read(const std::optional<Prices>& prices) {
    in_.allow_only({"name", "description", "seeds", "prices", "miss_price", "strategies",
                    "model_defaults", "warm_up_s", "demands"});
    Suite out;
    out.name = in_.text_or("name", file_.stem().string());
    out.description = in_.text_or("description", "");
    for (const auto& seed : in_.at("seeds").list()) {
      out.seeds.push_back(static_cast<std::uint64_t>(seed.integer(0, std::int64_t{1} << 53)));
    }
    if (out.seeds.empty()) in_.at("seeds").fail("at least one seed");
    if (const auto given = in_.find("prices")) out.prices = judge::read_prices(*given);
    if (prices) out.prices = *prices;
    if (out.prices.cpu_per_hour <= 0.0) {
      in_.complain(
          "cpu_per_hour must be above 0: costs are compared with the least cost of serving");
    }
    out.miss_price = in_.number_or("miss_price", 10.0, 0.0, 1e6);
    if (const auto defaults = in_.find("model_defaults")) defaults_ = json_of(*defaults);
    read_strategies(out);
    const ConfigReader demands = in_.at("demands");
    for (const auto& name : demands.keys()) out.demands.push_back(demand(name, demands.at(name)));
    if (out.demands.empty()) demands.fail("at least one demand");
    return out;
  }

 private:
  void read_strategies(Suite& out) {
    const ConfigReader list = in_.at("strategies");
    for (const auto& label : list.keys()) {
      SuiteStrategy s;
      s.label = label;
      s.kind = label;
      const ConfigReader entry = list.at(label);
      if (!entry.is_map()) entry.fail("a map (empty: {})");
      entry.allow_only({"kind", "options", "wrap"});
      s.kind = entry.text_or("kind", label);
      s.options = entry.find("options");
      if (const auto wrap = entry.find("wrap")) {
        // The strategy's maker takes wrappers as one more option.
        Json whole = s.options ? json_of(*s.options) : Json::object();
        whole["wrap"] = json_of(*wrap);
        s.options = ConfigReader::from_text(whole.dump(), entry.where());
      }
      s.sees_schedule = registry_.find(s.kind, entry.where()).sees_schedule;
      // Checked now: an unknown strategy or option must not show after an hour. (A baseline refuses
      // to be made without any schedule.)
      if (s.sees_schedule) {
        (void)scaling::builtin_strategies({{"", {}}}).make(s.kind, s.options, entry.where());
      } else {
        (void)registry_.make(s.kind, s.options, entry.where());
      }
      s.settings = {{"kind", s.kind}, {"options", s.options ? json_of(*s.options) : Json()}};
      out.strategies.push_back(std::move(s));
    }
    if (out.strategies.empty()) list.fail("at least one strategy");
  }

  Demand demand(const std::string& name, const ConfigReader& in) {
    in.allow_only({"what", "duration_s", "cpu_noise_ratio", "models", "faults"});
    Demand out;
    out.name = name;
    out.what = in.text_or("what", "");
    out.duration_s = in.at("duration_s").number(10.0, 34'560'000.0);
    out.warm_up_s = in_.number_or("warm_up_s", 60.0, 0.0, 3600.0);
    out.cpu_noise_ratio = in.number_or("cpu_noise_ratio", 0.0, 0.0, 10.0);
    const ConfigReader models = in.at("models");
    Json settings = Json::array();
    for (const auto& key : models.keys()) {
      const Json whole = merged(defaults_, json_of(models.at(key)));
      const auto reader = ConfigReader::from_text(
          whole.dump(), fmt::format("{} (demands.{}.models.{})", file_.string(), name, key));
      SuiteModel model = read_model(key, reader);
      const auto [known, fresh] = capacities_.try_emplace(replica_key(whole), 0.0);
      if (fresh) known->second = replica_capacity(model.sim);
      if (known->second <= 0.0) {
        reader.complain("one replica meets the objective at no rate");
      }
      model.capacity_per_s = known->second;
      const influx::ProfileContext context{out.duration_s, model.capacity_per_s,
                                           file_.parent_path()};
      model.sim.profile =
          std::make_shared<const influx::Profile>(read_demand_profile(model.profile, context));
      settings.push_back({{"name", key}, {"model", whole}, {"capacity_per_s", known->second}});
      out.models.push_back(std::move(model));
    }
    if (out.models.empty()) models.fail("at least one model");
    if (const auto faults = in.find("faults")) {
      out.faults = sim::read_fault_script(*faults, out.duration_s, models.keys());
    }
    out.settings = {{"models", settings},
                    {"duration_s", out.duration_s},
                    {"warm_up_s", out.warm_up_s},
                    {"cpu_noise_ratio", out.cpu_noise_ratio}};
    // Cells of demands without faults keep their key.
    if (!out.faults.empty()) {
      out.settings["faults"] = sim::fault_script_json(out.faults, models.keys());
    }
    return out;
  }

  std::filesystem::path file_;
  ConfigReader in_;
  const scaling::StrategyRegistry& registry_;
  Json defaults_ = Json::object();
  std::map<std::string, double> capacities_;
};

}  // namespace

Suite read_suite(const std::filesystem::path& file, const scaling::StrategyRegistry& registry,
                 const std::optional<Prices>& prices) {
  return Reader(file, registry).read(prices);
}

scaling::DemandByModel schedule_of(const Demand& demand) {
  scaling::DemandByModel out;
  for (const auto& m : demand.models) {
    auto schedule = sim::planned_demand(*m.sim.profile, demand.warm_up_s);
    schedule.capacity_per_s = m.capacity_per_s;
    out.emplace(m.sim.settings.name, std::move(schedule));
  }
  return out;
}

sim::WorldConfig world_of(const Demand& demand, std::uint64_t seed) {
  sim::WorldConfig world;
  world.seed = seed;
  world.duration_s = demand.duration_s;
  world.warm_up_s = demand.warm_up_s;
  world.cpu_noise_ratio = demand.cpu_noise_ratio;
  world.script = demand.faults;
  double most_cpu = 1.0;
  for (const auto& m : demand.models) {
    world.models.push_back(m.sim);
    most_cpu = std::max(most_cpu, m.sim.settings.bounds.max_cpu);
  }
  world.machine_cpus = static_cast<int>(std::max(1.0, most_cpu + 0.5));
  world.limit_delay = sim::Law::constant(std::chrono::milliseconds(10));
  return world;
}

double replica_capacity(const sim::SimModel& model) {
  constexpr double kRequests = 20'000.0;
  constexpr double kPrecision = 1.01;
  const auto meets = [&](double rate) {
    Demand one;
    one.duration_s = std::max(10.0, kRequests / rate);
    SuiteModel m{model, 0.0, 0.0, ConfigReader::from_text("{}", "capacity")};
    m.sim.settings.replicas = 1;
    m.sim.settings.bounds = {.min_replicas = 1,
                             .max_replicas = 1,
                             .min_cpu = model.settings.cpu_limit,
                             .max_cpu = model.settings.cpu_limit,
                             .cpu_ceiling = model.settings.cpu_limit};
    m.sim.start.failure_ratio = 0.0;
    m.sim.arrivals = {};
    m.sim.profile =
        std::make_shared<const influx::Profile>(influx::Profile::constant(rate, one.duration_s));
    one.models.push_back(std::move(m));
    sim::World world(world_of(one, 1), scaling::builtin_strategies().make("none", std::nullopt));
    const auto out = world.run();
    const auto& total = out.models.at(0).total;
    return total.planned > 0 && static_cast<double>(total.in_time) >=
                                    model.settings.slo_target * static_cast<double>(total.planned);
  };
  double high = 1e9 / (model.service.mean_ns(1) / std::max(0.01, model.settings.cpu_limit));
  while (meets(high) && high < 1e7) high *= 2.0;  // batches serve more than one at a time
  double low = high / 1024.0;
  if (!meets(low)) return 0.0;
  while (high / low > kPrecision) {
    const double middle = std::sqrt(low * high);
    (meets(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace spate::suite
