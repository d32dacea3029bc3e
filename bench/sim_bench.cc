// SPDX-License-Identifier: Apache-2.0
//
// How many requests a second one core simulates.
//
//   SimServing/<replicas>   the live gateway core with everything on: batches of up to 8,
//                           deadlines, least-outstanding dispatch, 0.5 CPU each under CFS quotas,
//                           latency histograms and the autoscaler's readings; 70 % of what they can
//                           do
//   SimDiurnal/<replicas>   the same with demand by day and night around that mean
//   SimQueue/<servers>      a bare M/M/c queue in the same world, for comparison with other
//                           simulators (scripts/measure sim)
//
// items_per_second is requests per second of one core. The ratio of SimServing/10000 to
// SimServing/100 is what ten thousand replicas cost.
#include <benchmark/benchmark.h>

#include <memory>
#include <numbers>
#include <optional>
#include <vector>

#include "spate/base/rng.h"
#include "spate/scaling/strategies.h"
#include "spate/sim/world.h"

namespace spate::sim {
namespace {

using namespace std::chrono_literals;

// The slice of simulated time in which about this many requests come.
constexpr double kSlice = 200'000.0;
constexpr double kLongest = 1e7;

SimModel model_of(int replicas, double cpus, double rate_per_s, Law service) {
  SimModel model;
  model.settings.name = "m";
  model.settings.replicas = replicas;
  model.settings.cpu_request = model.settings.cpu_limit = cpus;
  model.settings.bounds = {.min_replicas = replicas,
                           .max_replicas = replicas,
                           .min_cpu = cpus,
                           .max_cpu = cpus,
                           .cpu_ceiling = replicas * cpus};
  model.profile =
      std::make_shared<const influx::Profile>(influx::Profile::constant(rate_per_s, kLongest));
  model.service.entries.push_back({1, std::move(service)});
  return model;
}

// As `spate profile` finds it: a mode and a tail, as quantiles.
Law measured(double scale) {
  Rng rng(1, "service_time");
  std::vector<Duration> values;
  for (int i = 0; i < 400; ++i) values.push_back(from_ms(scale * (9.0 + rng.exponential())));
  return Law::measured(std::move(values));
}

void simulate(benchmark::State& state, SimModel model) {
  const double rate = model.profile->rate(0.0);
  WorldConfig config;
  config.duration_s = kLongest;
  config.models.push_back(std::move(model));
  config.limit_delay = Law::constant(1ms);
  World world(config, scaling::builtin_strategies().make("none", std::nullopt));
  double until = 3.0;  // every replica has answered once
  (void)world.run_until(until);
  std::uint64_t before = world.requests();
  std::uint64_t simulated = 0;
  for (auto _ : state) {
    until += kSlice / rate;
    (void)world.run_until(until);
    simulated += world.requests() - before;
    before = world.requests();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(simulated));
}

SimModel serving(int replicas) {
  // 10 ms of CPU time at 0.5 CPU: 50 requests a second each, one by one.
  SimModel model = model_of(replicas, 0.5, 0.7 * 50.0 * replicas, measured(1.0));
  model.service.entries.push_back({8, measured(5.0)});
  model.route.max_batch = 8;
  model.deadline = 1s;
  model.slo_latency = 500ms;
  return model;
}

void SimServing(benchmark::State& state) {
  simulate(state, serving(static_cast<int>(state.range(0))));
}

void SimDiurnal(benchmark::State& state) {
  SimModel model = serving(static_cast<int>(state.range(0)));
  const double mean = model.profile->rate(0.0);
  influx::Piece day;
  day.length_s = kLongest;
  day.rate_per_s = mean;
  day.amplitude_per_s = 0.3 * mean;
  day.omega = 2.0 * std::numbers::pi / 86'400.0;
  model.profile = std::make_shared<const influx::Profile>(std::vector<influx::Piece>{day});
  simulate(state, std::move(model));
}

void SimQueue(benchmark::State& state) {
  const int servers = static_cast<int>(state.range(0));
  SimModel model = model_of(servers, 1.0, 0.9 * 100.0 * servers, Law::exponential(10ms));
  model.deadline = Duration::max();
  model.route.max_queue_messages = 100'000'000;
  simulate(state, std::move(model));
}

BENCHMARK(SimServing)->Arg(100)->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK(SimDiurnal)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK(SimQueue)->Arg(100)->Arg(10'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace spate::sim

BENCHMARK_MAIN();
