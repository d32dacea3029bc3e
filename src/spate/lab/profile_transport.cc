// SPDX-License-Identifier: Apache-2.0
//
// The live part of a profile: broker, gateway, one worker and influx under a light load, at one
// rate and then at a lower one; meanwhile a script asks for a second replica now and then.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/lab/model_samples.h"
#include "spate/lab/profile_measure.h"
#include "spate/lab/run_files.h"
#include "spate/lab/runner.h"
#include "spate/lab/supervisor.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

constexpr double kMostPerS = 300.0;
constexpr double kMostUse = 0.1;  // of the worker, so that requests hardly ever wait
constexpr double kLowPart = 0.1;  // the lower rate, of the higher one
constexpr double kWarmUp = 8.0;   // starts are measured in it
constexpr double kSettle = 2.0;
constexpr double kEdge = 1.5;  // seconds at each rate's ends that are left out
constexpr int kScriptedStarts = 4;
constexpr double kDeadlineMs = 10'000.0;
// Beside computing workers: as many requests as a 99 % quantile needs, and no more load than that.
constexpr double kLoadedPerS = 100.0;
constexpr double kLoadedPart = 0.75;  // of ProfileOptions::live_seconds
constexpr double kLoadedWarmUp = 2.0;
constexpr double kHeavyCpus = 0.3;  // about, of each worker that computes beside

// One model, one replica with more CPU than it needs, one request a call, and no objective.
Scenario scenario_of(const ModelScenario& given, const Json& profile, double live_seconds) {
  Scenario out;
  out.name = "profile";
  out.warm_up_s = kWarmUp;
  out.settle_s = kSettle;
  out.duration_s = live_seconds;
  ModelScenario m = given;
  m.profile_settings = ConfigReader::from_text(profile.dump(), "profile");
  m.needs_capacity = false;
  m.arrivals_json = R"({"kind": "poisson"})";
  m.slo_latency_ms = m.deadline_ms = kDeadlineMs;
  m.cpu_request = m.cpu_limit = m.min_cpu = m.max_cpu = 1.0;
  m.cpu_ceiling = 2.0;
  m.replicas = m.min_replicas = 1;
  m.max_replicas = 2;
  m.warm_pool = m.max_warm_pool = 0;
  m.scaled = true;
  m.mode = "throughput";
  m.max_batch = 1;
  m.max_delay_ms = 0.0;
  resolve_demand(m, std::nullopt, out.duration_s);
  out.models.push_back(std::move(m));
  return out;
}

Scenario two_rates(const ModelScenario& given, double high_per_s, double live_seconds) {
  const double half = 0.5 * live_seconds;
  Scenario out =
      scenario_of(given,
                  {{"kind", "steps"},
                   {"steps",
                    {{{"name", "high"}, {"for_s", half}, {"rate_per_s", high_per_s}},
                     {{"name", "low"}, {"for_s", half}, {"rate_per_s", kLowPart * high_per_s}}}}},
                  live_seconds);
  Json script = Json::array();
  for (int i = 0; i < kScriptedStarts; ++i) {
    script.push_back({{"at_s", 1.0 + 2.0 * i}, {"replicas", 2}});
    script.push_back({{"at_s", 2.0 + 2.0 * i}, {"replicas", 1}});
  }
  out.strategies.push_back(
      {"scripted", "scripted", Json{{"steps", script.dump()}, {"tick_s", 0.2}}.dump()});
  return out;
}

// Mean CPUs of everything but the workers, over a stretch of the measured window.
double cpus_of(const RunFiles& run, double from_s, double until_s) {
  double sum = 0.0;
  for (const ComponentSeries& series : run.components) {
    if (series.component == "worker") continue;
    double cpus = 0.0;
    int count = 0;
    for (const ComponentSample& s : series.samples) {
      const double t_s = s.unix_s - run.measured_from;
      if (t_s < from_s || t_s > until_s) continue;
      cpus += s.cpu_cores;
      ++count;
    }
    if (count > 0) sum += cpus / count;
  }
  return sum;
}

// From a decision until the engine has the process, of all replicas but the first.
std::vector<Duration> decisions_to_process(const RunFiles& run) {
  std::vector<Duration> out;
  bool first = true;
  for (const Json& record : run.decisions) {
    if (text_of(record, "event") != "replica_started") continue;
    if (!std::exchange(first, false)) out.push_back(from_ms(number_of(record, "after_ms")));
  }
  return out;
}

Result<Histogram> latency_of(const RunFiles& run, const std::filesystem::path& directory,
                             const std::string& model) {
  const Json& summary = run.influx_summary;
  if (!summary.is_object() || !summary.contains("models") || !summary["models"].contains(model)) {
    return Error{ErrorCode::Unavailable, "the live run left no summary of the load; see " +
                                             (directory / "logs/influx.log").string()};
  }
  Histogram out = Histogram::from_json(summary["models"][model]["histograms"]["latency"]);
  if (out.count() == 0) {
    return Error{ErrorCode::Unavailable, "no request of the live run was answered; see " +
                                             (directory / "logs/gateway.log").string()};
  }
  return out;
}

Result<TransportSamples> read_samples(const std::filesystem::path& directory,
                                      const ModelScenario& model, double high_per_s,
                                      double live_seconds) {
  const auto run = read_run(directory);
  if (!run) return run.error();
  TransportSamples out;
  out.model = profiled_name(model);
  auto latency = latency_of(*run, directory, model.name);
  if (!latency) return latency.error();
  out.latency = std::move(latency).value();
  const double half = 0.5 * live_seconds;
  out.high_per_s = high_per_s;
  out.low_per_s = kLowPart * high_per_s;
  out.high_cpus = cpus_of(*run, kEdge, half);
  out.low_cpus = cpus_of(*run, half + kEdge, live_seconds);
  out.decision_to_process = decisions_to_process(*run);
  return out;
}

// Runs the scenario's only strategy; its files are in the returned directory.
Result<std::filesystem::path> run_live(LiveLoop& loop, Scenario scenario, const char* folder,
                                       const ProfileOptions& options) {
  RunSpec spec;
  spec.label = spec.title = scenario.strategies.front().label;
  spec.directory = std::filesystem::absolute(options.work).lexically_normal() / folder;
  Experiment experiment;
  experiment.scenario = std::move(scenario);
  experiment.program = options.program;
  experiment.limits = options.limits;
  experiment.machine = read_machine();
  experiment.versions = {{"spate", options.spate_version}};
  Supervisor supervisor(loop, spec.directory);
  const auto components = make_process_components(loop, supervisor, options.program);
  // What a run shows of itself would hide our own lines.
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> nowhere(std::fopen("/dev/null", "w"),
                                                                &std::fclose);
  ProgressPrinter printer(nowhere.get(), false);
  Runner runner(loop, *components, printer, experiment);
  if (const Status s = runner.run(spec); !s) return s.error();
  if (loop.interrupted()) return Error{ErrorCode::Unavailable, "interrupted"};
  return spec.directory;
}

// One level: so many workers of `heavy`, each kept to `cpus`, compute meanwhile.
Result<Histogram> latency_beside(LiveLoop& loop, WorkerBench& bench, const ModelScenario& heavy,
                                 const std::vector<wire::Item>& samples, int workers, double cpus,
                                 Scenario scenario, const ProfileOptions& options) {
  std::vector<BenchWorker*> others;
  for (int i = 0; i < workers; ++i) {
    const auto other = bench.start(bench_spec(heavy, "throughput", cpus), samples);
    if (!other) return other.error();
    if (const Status s = bench.limit(**other, cpus); !s) return s.error();
    others.push_back(*other);
  }
  for (BenchWorker* other : others) bench.saturate(*other, 1);
  const std::string model = scenario.models.front().name;
  const auto directory = run_live(loop, std::move(scenario), "loaded", options);
  for (BenchWorker* other : others) bench.stop(*other);
  if (!directory) return directory.error();
  const auto run = read_run(*directory);
  if (!run) return run.error();
  return latency_of(*run, *directory, model);
}

}  // namespace

Result<TransportSamples> measure_transport(LiveLoop& loop, const ModelScenario& model,
                                           double call_s, const ProfileOptions& options) {
  const double high_per_s = std::min(kMostPerS, kMostUse / std::max(1e-6, call_s));
  options.say(fmt::format("broker and gateway: {:.3g} and {:.3g} requests/s of {}", high_per_s,
                          kLowPart * high_per_s, model.name));
  const auto directory =
      run_live(loop, two_rates(model, high_per_s, options.live_seconds), "live", options);
  if (!directory) return directory.error();
  return read_samples(*directory, model, high_per_s, options.live_seconds);
}

Result<std::vector<TransportSamples::Loaded>> measure_loaded_transport(
    LiveLoop& loop, WorkerBench& bench, const ModelScenario& heavy, const ModelScenario& model,
    double call_s, int cores, const ProfileOptions& options) {
  const double per_s = std::min(kLoadedPerS, kMostUse / std::max(1e-6, call_s));
  const auto samples = load_samples(heavy);
  if (!samples) return samples.error();
  std::vector<TransportSamples::Loaded> out;
  for (const double ratio : options.loads) {
    const bool all = ratio == 1.0;
    const double wanted = ratio * cores;
    const int workers = all || ratio == 0.0
                            ? static_cast<int>(wanted)
                            : std::max(1, static_cast<int>(std::lround(wanted / kHeavyCpus)));
    // More than they can use at 1, so that no CPU is ever left to the rest.
    const double cpus = all ? 2.0 : wanted / std::max(1, workers);
    options.say(
        fmt::format("broker and gateway: {:.3g} requests/s of {} while {} of {} use {:g} CPU",
                    per_s, model.name, workers, heavy.name, wanted));
    Scenario scenario = scenario_of(model, {{"kind", "constant"}, {"rate_per_s", per_s}},
                                    kLoadedPart * options.live_seconds);
    scenario.warm_up_s = kLoadedWarmUp;
    scenario.strategies.push_back({"none", "none", "{}"});
    auto latency =
        latency_beside(loop, bench, heavy, *samples, workers, cpus, std::move(scenario), options);
    if (!latency) return latency.error();
    out.push_back({ratio, std::move(latency).value()});
  }
  return out;
}

}  // namespace spate::lab
