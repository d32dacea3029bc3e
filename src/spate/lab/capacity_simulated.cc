// SPDX-License-Identifier: Apache-2.0
//
// The simulated half of the capacity curve.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "spate/base/check.h"
#include "spate/base/config_error.h"
#include "spate/lab/capacity_curve.h"
#include "spate/lab/model_samples.h"
#include "spate/lab/simulate.h"
#include "spate/scaling/strategies.h"
#include "spate/sim/world.h"

namespace spate::lab {
namespace {

constexpr int kBisections = 12;
constexpr double kWarmUp = 5.0;
constexpr double kSettle = 5.0;
constexpr double kShortest = 30.0;  // simulated seconds per rate
constexpr double kDustRatio = 1e-3;

struct Question {
  SimulationPlan plan;
  const sim::MachineProfile& profile;
  const CurveSimulation& options;
  double target = 0.95;
  bool shared = true;
};

double attainment(const Question& q, double rate_per_s, int seed) {
  sim::WorldConfig world = q.plan.world;
  world.run = static_cast<std::uint64_t>(seed);
  world.duration_s = std::max(kShortest, q.options.requests / rate_per_s);
  world.models[0].profile = std::make_shared<const influx::Profile>(
      influx::Profile::constant(rate_per_s, world.duration_s));
  if (q.shared) {
    const double messages = rate_per_s * q.profile.message_cpu_ms * 1e-3;
    world.cores = std::max(0.1, q.plan.machine_cores - q.profile.idle_cpus - messages);
  }
  sim::World run(world, scaling::builtin_strategies().make("none", std::nullopt));
  const sim::RunOutput output = run.run();
  const sim::Tally& total = output.models[0].total;
  if (!output.problems.empty() || total.planned == 0) return 0.0;
  return static_cast<double>(total.in_time) / static_cast<double>(total.planned);
}

// More than this no configuration can answer: all CPUs, the best batch, nothing ever waiting.
double most_per_s(const Question& q, const CapacityPoint& point) {
  const sim::SimModel& model = q.plan.world.models[0];
  double best = 0.0;
  for (int batch = 1; batch <= point.batch; ++batch) {
    double call_ns = model.service.mean_ns(batch);
    if (!model.service_threads.entries.empty()) {
      call_ns = std::min(call_ns, model.service_threads.mean_ns(batch));
    }
    best = std::max(best, batch / (call_ns * 1e-9));
  }
  // Beyond saturation by 1 / target not even refusing the surplus at once attains the target.
  return 1.05 * best * point.cpus * point.replicas / std::max(0.05, q.target);
}

}  // namespace

Scenario capacity_scenario(const Scenario& base, const CapacityPoint& point, double rate_per_s,
                           double duration_s) {
  const ModelScenario* const model = base.find_model(point.model);
  SPATE_CHECK(model != nullptr, "a model of the scenario");
  Scenario out = base;
  out.duration_s = duration_s;
  out.warm_up_s = kWarmUp;
  out.settle_s = kSettle;
  ModelScenario m = *model;
  const nlohmann::json constant{{"kind", "constant"}, {"rate_per_s", rate_per_s}};
  m.profile_settings = ConfigReader::from_text(constant.dump(), "capacity");
  m.needs_capacity = false;
  m.capacity.reset();
  m.arrivals_json = R"({"kind": "poisson"})";
  m.cpu_request = m.cpu_limit = m.min_cpu = m.max_cpu = point.cpus;
  m.cpu_ceiling = point.cpus * point.replicas;
  m.replicas = m.min_replicas = m.max_replicas = point.replicas;
  m.warm_pool = m.max_warm_pool = 0;
  m.max_batch = point.batch;
  m.scaled = false;
  resolve_demand(m, std::nullopt, duration_s);
  out.models = {std::move(m)};
  return out;
}

SimulatedCapacity simulate_capacity(const Scenario& base, const CapacityPoint& point,
                                    const sim::MachineProfile& profile,
                                    const CurveSimulation& options) {
  SimulatedCapacity out;
  const double cores = base.machine.cores.value_or(profile.cores);
  out.fits_machine = point.cpus * point.replicas <= cores + 1e-9;
  const Scenario scenario = capacity_scenario(base, point, 1.0, kShortest);
  try {
    const Question question{plan_simulation(scenario, profile, {out.fits_machine}), profile,
                            options, scenario.models[0].slo_target, out.fits_machine};
    const double most = most_per_s(question, point);
    std::vector<double> found;
    for (int seed = 0; seed < options.seeds; ++seed) {
      double low = 0.0;
      double high = most;
      for (int i = 0; i < kBisections; ++i) {
        const double middle = 0.5 * (low + high);
        (attainment(question, middle, seed) >= question.target ? low : high) = middle;
      }
      found.push_back(low);
    }
    for (const double rate : found) out.per_s += rate / static_cast<double>(found.size());
    out.low_per_s = *std::min_element(found.begin(), found.end());
    out.high_per_s = *std::max_element(found.begin(), found.end());
    // What bisection makes of "no rate at all".
    if (out.high_per_s <= most * kDustRatio) {
      out.per_s = out.low_per_s = out.high_per_s = 0.0;
      out.impossible = "too few calls end within the objective at any rate";
    }
  } catch (const ConfigError& error) {
    out.impossible = error.what();
  }
  return out;
}

}  // namespace spate::lab
