// SPDX-License-Identifier: Apache-2.0
//
// From a scenario and a machine profile to a world.
#include <fmt/format.h>

#include <algorithm>

#include "spate/base/config_error.h"
#include "spate/lab/capacity_search.h"
#include "spate/lab/model_samples.h"
#include "spate/lab/saturated_calls.h"
#include "spate/lab/simulate.h"
#include "spate/sim/cpu_group.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

constexpr int kCallsMeasured = 400;

gateway::RouteOptions route_of(const ModelScenario& m) {
  gateway::RouteOptions out;
  out.max_batch = m.max_batch;
  out.max_delay = from_ms(m.max_delay_ms);
  out.max_queue_messages = static_cast<std::size_t>(m.max_queue_messages);
  out.max_queue_bytes = static_cast<std::size_t>(m.max_queue_bytes);
  out.max_attempts = m.max_attempts;
  out.attempt_timeout = from_ms(m.attempt_timeout_ms);
  out.early_overload = m.early_overload;
  if (m.dispatch == "power_of_two") out.dispatch = gateway::DispatchPolicy::PowerOfTwo;
  if (m.dispatch == "round_robin") out.dispatch = gateway::DispatchPolicy::RoundRobin;
  return out;
}

// What a call takes from a fresh quota: the best case.
double best_call_ms(double cpu_ms, double cpus, Duration period) {
  sim::CpuGroup group(period.count());
  group.set_limit(cpus, 0);
  group.set_demand(1.0);
  return static_cast<double>(group.when(cpu_ms * 1e6)) * 1e-6;
}

void require_possible(const ModelScenario& m, const sim::ProfiledModel& profiled,
                      const sim::MachineProfile& profile) {
  const sim::Law& law = profiled.service.entries.front().law;
  // The fastest call that was measured, at the most CPU that the scenario allows.
  const double cpu_ms = law.quantile_ns(0.0) * 1e-6;
  const double cpus = std::max(m.cpu_limit, m.scaled ? m.max_cpu : m.cpu_limit);
  const double call_ms = best_call_ms(cpu_ms, cpus, profile.cfs_period);
  const double transport_ms =
      (profile.to_gateway.mean_ns() + profile.from_gateway.mean_ns()) * 1e-6;
  if (call_ms + transport_ms <= m.slo_latency_ms) return;
  throw ConfigError(fmt::format(
      "models.{}: no request can be answered within slo.latency_ms {:g}:\n"
      "  CPU time of the fastest call        {:8.1f} ms\n"
      "  the same at {:g} CPU, fresh quota    {:8.1f} ms\n"
      "  transport                           {:8.1f} ms\n"
      "  together                            {:8.1f} ms\n"
      "Raise the objective or max_cpu, or use a faster variant.",
      m.name, m.slo_latency_ms, cpu_ms, cpus, call_ms, transport_ms, call_ms + transport_ms));
}

void resolve(ModelScenario& m, const sim::SimModel& model, const sim::MachineProfile& profile,
             std::uint64_t seed, double duration_s) {
  if (!m.needs_capacity || m.capacity) return;
  CapacityQuestion question;
  question.route = model.route;
  for (int batch = 1; batch <= m.max_batch; batch *= 2) {
    question.service[batch] = saturated_calls(model.service, batch, m.cpu_limit, profile.cfs_period,
                                              seed, kCallsMeasured);
  }
  const auto mode = worker::mode_from(m.mode).value_or(worker::Mode::Throughput);
  question.credits =
      static_cast<std::uint32_t>(worker::concurrency_for(mode, m.cpu_limit, profile.cores).calls);
  question.cpu_limit = m.cpu_limit;
  question.slo_latency = from_ms(m.slo_latency_ms);
  question.deadline = from_ms(m.deadline_ms);
  question.target = m.slo_target;
  const CapacityAnswer answer = find_capacity(question);
  if (answer.rate_per_s <= 0.0) {
    throw ConfigError(
        fmt::format("models.{}: one replica with {:g} CPU cannot meet its objective at any rate, "
                    "so there is no capacity to express the demand in",
                    m.name, m.cpu_limit));
  }
  m.capacity = Json{{"per_s", answer.rate_per_s},
                    {"low_per_s", answer.low_per_s},
                    {"high_per_s", answer.high_per_s},
                    {"saturated_per_s", answer.saturated_per_s},
                    {"simulated", true},
                    {"method", "simulated from the machine profile's CPU times"}};
  resolve_demand(m, answer.rate_per_s, duration_s);
}

scaling::ModelSettings settings_of(const ModelScenario& m) {
  scaling::ModelSettings s;
  s.name = m.name;
  s.model_path = m.model.string();
  s.mode = m.mode;
  s.slo_latency_s = m.slo_latency_ms / 1e3;
  s.slo_target = m.slo_target;
  s.cpu_request = m.cpu_request;
  s.cpu_limit = m.cpu_limit;
  s.replicas = m.replicas;
  s.warm_pool = m.warm_pool;
  s.max_warm_pool = m.max_warm_pool;
  s.bounds = {.min_replicas = m.min_replicas,
              .max_replicas = m.max_replicas,
              .min_cpu = m.min_cpu,
              .max_cpu = m.max_cpu,
              .cpu_ceiling = m.cpu_ceiling};
  s.scaled = m.scaled;
  return s;
}

// A tenth of the tightest objective, as a part of a second.
Duration fluid_step_for(const Scenario& scenario) {
  double tightest_ms = 1000.0;
  for (const ModelScenario& m : scenario.models) {
    tightest_ms = std::min(tightest_ms, m.slo_latency_ms);
  }
  for (const double step_ms : {100.0, 50.0, 20.0, 10.0, 5.0, 2.0}) {
    if (step_ms <= tightest_ms / 10.0) return from_ms(step_ms);
  }
  return from_ms(1.0);
}

}  // namespace

SimulationPlan plan_simulation(Scenario scenario, const sim::MachineProfile& profile,
                               const SimulationOptions& options) {
  SimulationPlan plan;
  plan.profile_file = profile.file;
  plan.machine = profile.machine_json.empty() ? Json::object() : Json::parse(profile.machine_json);
  plan.machine_cores = scenario.machine.cores.value_or(profile.cores);
  plan.machine["cores"] = plan.machine_cores;
  sim::WorldConfig& world = plan.world;
  world.seed = scenario.seed;
  world.warm_up_s = scenario.warm_up_s;
  world.duration_s = scenario.duration_s;
  world.settle_s = scenario.settle_s;
  world.machine_cpus = std::max(1, static_cast<int>(plan.machine_cores));
  world.cfs_period = profile.cfs_period;
  world.limit_delay = profile.limit_delay;
  world.decide = profile.decide;
  world.to_gateway = profile.to_gateway;
  world.from_gateway = profile.from_gateway;
  world.transport = profile.transport;
  if (options.fluid) world.fluid_step = fluid_step_for(scenario);
  double message_cpus = 0.0;
  for (ModelScenario& m : scenario.models) {
    const sim::ProfiledModel& profiled = profile.model(profiled_name(m));
    require_possible(m, profiled, profile);
    sim::SimModel model;
    model.settings = settings_of(m);
    model.route = route_of(m);
    model.deadline = from_ms(m.deadline_ms);
    model.slo_latency = from_ms(m.slo_latency_ms);
    model.service = profiled.service;
    model.service_threads = profiled.service_threads;
    model.rested_after = profiled.rested_after;
    model.service_rested = profiled.service_rested;
    model.start = profiled.start;
    model.start_busy = profiled.start_busy;
    model.memory_bytes = sim::memory_bytes_of(profiled, m.max_batch);
    resolve(m, model, profile, scenario.seed, scenario.duration_s);
    model.profile = std::make_shared<const influx::Profile>(m.profile);
    model.arrivals =
        influx::read_arrivals(ConfigReader::from_text(m.arrivals_json, "models." + m.name));
    message_cpus += m.profile.total() / scenario.duration_s * profile.message_cpu_ms * 1e-3;
    world.models.push_back(std::move(model));
  }
  if (options.contention) {
    // What gateway, broker and influx use is not there for the workers.
    world.cores = std::max(0.1, plan.machine_cores - profile.idle_cpus - message_cpus);
    world.more_machines = scenario.machine.more;
  }
  world.script = scenario.faults;
  sim::check(world);
  plan.effective = effective_json(scenario);
  plan.scenario = std::move(scenario);
  return plan;
}

}  // namespace spate::lab
