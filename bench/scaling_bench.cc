// SPDX-License-Identifier: Apache-2.0
//
// What one decision costs, for every built-in strategy: one model of eight replicas, plausible
// metrics that change each tick. The aim is 50 us on average, 100 us for forecasters.
#include <benchmark/benchmark.h>

#include <cmath>

#include "spate/scaling/strategies.h"

namespace spate::scaling {
namespace {

ModelView model_of(const Needs& needs) {
  ModelView model;
  model.model = "images";
  model.bounds = {
      .min_replicas = 1, .max_replicas = 50, .min_cpu = 0.1, .max_cpu = 4.0, .cpu_ceiling = 64.0};
  model.slo_latency_s = 0.5;
  model.slo_target = 0.95;
  model.cpu_request = model.cpu_limit = model.initial_cpu_limit = 0.5;
  model.wanted_replicas = 8;
  model.start_ups = {std::chrono::seconds(2), std::chrono::seconds(3)};
  for (int i = 0; i < 8; ++i) {
    model.replicas.push_back({.id = "images-" + std::to_string(i + 1),
                              .state = ReplicaState::Ready,
                              .cpu_request = 0.5,
                              .cpu_limit = 0.5});
  }
  model.metrics.resize(needs.metrics.size());
  return model;
}

void show(ModelView& model, const Needs& needs, TimePoint now, double value) {
  for (std::size_t i = 0; i < needs.metrics.size(); ++i) {
    MetricView& metric = model.metrics[i];
    metric.value = value;
    metric.newest = now;
    metric.readings = static_cast<int>(needs.metrics[i].window / needs.metrics[i].period);
    metric.covered = needs.metrics[i].window;
    metric.last_read = now;
    if (!is_per_replica(needs.metrics[i].signal)) continue;
    metric.replicas.resize(model.replicas.size());
    for (std::size_t r = 0; r < metric.replicas.size(); ++r) {
      metric.replicas[r].replica = model.replicas[r].id;
      metric.replicas[r].value = value / 10.0;
      metric.replicas[r].newest = now;
      metric.replicas[r].readings = metric.readings;
      metric.replicas[r].covered = metric.covered;
    }
  }
}

void decide(benchmark::State& state, const std::string& name) {
  DemandSchedule demand{.step_s = 1.0, .rates_per_s = {}, .capacity_per_s = {}};
  for (int i = 0; i < 3600; ++i) demand.rates_per_s.push_back(20.0 + i % 60);
  const auto strategy = builtin_strategies({{"images", demand}}).make(name, std::nullopt);
  const Needs& needs = strategy->needs();
  Observation seen{.now = TimePoint(std::chrono::hours(2)), .models = {model_of(needs)}};
  int tick = 0;
  for (auto _ : state) {
    seen.now += needs.tick;
    show(seen.models[0], needs, seen.now, 4.0 + 3.0 * std::sin(0.1 * ++tick));
    benchmark::DoNotOptimize(strategy->decide(seen));
  }
}

}  // namespace
}  // namespace spate::scaling

int main(int argc, char** argv) {
  for (const auto& name : spate::scaling::builtin_strategies().names()) {
    benchmark::RegisterBenchmark(("decide/" + name).c_str(), [name](benchmark::State& state) {
      spate::scaling::decide(state, name);
    })->Unit(benchmark::kMicrosecond);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
