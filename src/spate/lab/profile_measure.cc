// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/profile_measure.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "spate/adapters/proc_files.h"
#include "spate/base/real_clock.h"
#include "spate/lab/canary.h"
#include "spate/lab/machine.h"
#include "spate/lab/model_samples.h"
#include "spate/lab/supervisor.h"
#include "spate/models/manifest.h"

namespace spate::lab {
namespace {

constexpr std::size_t kDiscarded = 3;     // the first calls after a change
constexpr std::size_t kLeastCalls = 60;   // of a point, if the time allows
constexpr std::size_t kManyCalls = 2000;  // enough, whatever the time
// More than one thread can use, and less than two: one call at a time that no quota stops.
constexpr double kBeyond = 0.9;
constexpr double kLowCpus = 0.3;
constexpr double kHighCpus = 0.9;
constexpr Duration kTraceEvery = std::chrono::milliseconds(2);
constexpr Duration kTraceBefore = std::chrono::milliseconds(700);
constexpr Duration kTraceAfter = std::chrono::milliseconds(1000);
// Longer than what keeps caches warm, and no longer than between requests that matter.
constexpr Duration kRest = std::chrono::milliseconds(20);
constexpr Duration kAnswerLimit = std::chrono::seconds(60);

struct Bench {
  LiveLoop& loop;
  WorkerBench& bench;
  const ModelScenario& model;
  const std::vector<wire::Item>& samples;
  const ProfileOptions& options;

  Result<BenchWorker*> start(const char* mode, double cpus) const {
    return bench.start(bench_spec(model, mode, cpus), samples);
  }
};

// A point: many calls of one size under the limit in force.
Result<CallSamples> take_calls(const Bench& b, BenchWorker& worker, int batch, double cpus,
                               int threads) {
  const Duration usual = from_seconds(b.options.seconds);
  b.bench.saturate(worker, batch);
  // Quick calls need no long look, and slow ones get twice the time.
  Status enough = b.bench.collect(worker, kManyCalls, usual / 4, usual / 4);
  if (worker.calls.size() < kManyCalls && (enough || !worker.broken())) {
    enough = b.bench.collect(worker, kLeastCalls + kDiscarded, usual * 3 / 4, usual * 7 / 4);
  }
  if (!enough) return enough.error();
  CallSamples out{batch, cpus, threads, worker.calls};  // the last ones under way do not count
  if (const Status s = b.bench.rest(worker); !s) return s.error();
  const std::size_t cut = std::min(kDiscarded, out.calls.size() - 1);
  out.calls.erase(out.calls.begin(), out.calls.begin() + static_cast<std::ptrdiff_t>(cut));
  return out;
}

Status measure_batches(const Bench& b, const char* mode, double cpus, int threads,
                       std::vector<CallSamples>& out) {
  const auto started = b.start(mode, cpus);
  if (!started) return started.error();
  BenchWorker& worker = **started;
  if (const Status s = b.bench.limit(worker, cpus); !s) return s;
  for (const int batch : b.options.batches) {
    b.options.say(fmt::format("{}: batches of {}{}", b.model.name, batch,
                              threads > 1 ? fmt::format(" with {} threads", threads) : ""));
    auto calls = take_calls(b, worker, batch, cpus, threads);
    if (!calls) return calls.error();
    out.push_back(std::move(calls).value());
    const auto memory = adapters::read_memory(static_cast<pid_t>(worker.pid));
    if (memory) out.back().memory_bytes = static_cast<double>(memory->resident_bytes);
  }
  b.bench.stop(worker);
  return ok();
}

Status measure_checks(const Bench& b, std::vector<CallSamples>& out) {
  const auto started = b.start("throughput", 1.0);
  if (!started) return started.error();
  BenchWorker& worker = **started;
  for (const double cpus : b.options.check_cpus) {
    b.options.say(fmt::format("{}: single requests at {:g} CPU", b.model.name, cpus));
    if (const Status s = b.bench.limit(worker, cpus); !s) return s;
    auto calls = take_calls(b, worker, 1, cpus, 1);
    if (!calls) return calls.error();
    out.push_back(std::move(calls).value());
  }
  b.bench.stop(worker);
  return ok();
}

Status measure_rested(const Bench& b, CallSamples& out) {
  const auto started = b.start("throughput", 1.0 + kBeyond);
  if (!started) return started.error();
  BenchWorker& worker = **started;
  b.options.say(fmt::format("{}: single requests after a rest", b.model.name));
  for (std::size_t i = 0; i < kLeastCalls; ++i) {
    (void)b.loop.run_until([&] { return worker.broken(); }, kRest);
    b.bench.send_one(worker);
    if (const Status s = b.bench.collect(worker, i + 1, Duration{0}, kAnswerLimit); !s) return s;
  }
  out = {1, 1.0 + kBeyond, 1, worker.calls};
  b.bench.stop(worker);
  return ok();
}

Result<StartSample> one_start(const Bench& b) {
  const auto started = b.start("throughput", 1.0);
  if (!started) return started.error();
  BenchWorker& w = **started;
  StartSample out;
  out.spawn = w.started_at - w.ordered_at;
  out.to_main = w.dialled_at - w.started_at;
  out.load = w.ready_at - w.dialled_at;
  out.load_cpu = w.cpu_at_ready - w.cpu_at_dial;
  b.bench.send_one(w);
  if (const Status s = b.bench.collect(w, 1, Duration{0}, kAnswerLimit); !s) return s.error();
  out.first_call = w.calls.front().round_trip;
  b.bench.stop(w);
  return out;
}

Status measure_starts(const Bench& b, std::vector<StartSample>& out) {
  for (int i = 0; i < b.options.starts; ++i) {
    auto sample = one_start(b);
    if (!sample) return sample.error();
    out.push_back(*sample);
  }
  return ok();
}

// The same with every CPU computing for other workers of the model.
Status measure_busy_starts(const Bench& b, int cores, ModelSamples& out) {
  std::vector<BenchWorker*> others;
  for (int i = 0; i < cores; ++i) {
    const auto other = b.start("throughput", 1.0 + kBeyond);
    if (!other) return other.error();
    if (const Status s = b.bench.limit(**other, 1.0 + kBeyond); !s) return s;
    others.push_back(*other);
  }
  for (BenchWorker* other : others) b.bench.saturate(*other, b.options.batches.back());
  out.busy_threads = cores;
  const Status measured = measure_starts(b, out.busy);
  for (BenchWorker* other : others) b.bench.stop(*other);
  return measured;
}

}  // namespace

scaling::ReplicaSpec bench_spec(const ModelScenario& model, const char* mode, double cpus) {
  scaling::ReplicaSpec spec;
  spec.model = model.name;
  spec.model_path = std::filesystem::absolute(model.model).string();
  spec.cpu_request = spec.cpu_limit = cpus;
  spec.mode = mode;
  return spec;
}

Result<ModelSamples> measure_model(LiveLoop& loop, WorkerBench& bench, const ModelScenario& model,
                                   int cores, const ProfileOptions& options) {
  const auto manifest = models::read_manifest(model.model);
  if (!manifest) return manifest.error();
  const auto samples = load_samples(model);
  if (!samples) return samples.error();
  const Bench b{loop, bench, model, *samples, options};
  ModelSamples out;
  out.name = profiled_name(model);
  out.variant = manifest->variant;
  out.version = manifest->version;
  Status s = measure_batches(b, "throughput", 1.0 + kBeyond, 1, out.calls);
  if (s && cores > 1) {
    s = measure_batches(b, "latency", cores + kBeyond, cores, out.threads);
  }
  if (s) s = measure_rested(b, out.rested);
  if (s && bench.limit_mechanism() != scaling::LimitMechanism::None)
    s = measure_checks(b, out.checks);
  if (s) {
    options.say(fmt::format("{}: {} starts, idle machine", model.name, options.starts));
    s = measure_starts(b, out.idle);
  }
  if (s) {
    options.say(fmt::format("{}: {} starts, busy machine", model.name, options.starts));
    s = measure_busy_starts(b, cores, out);
  }
  if (!s) return s.error();
  return out;
}

namespace {

// Reads a worker's CPU clock every 2 ms until `until`.
void trace(LiveLoop& loop, const BenchWorker& worker, TimePoint order, Duration until,
           FollowSample& out) {
  bool over = false;
  TimerId timer{};
  std::function<void()> tick = [&] {
    const auto cpu = cpu_time_of_process(worker.pid);
    const TimePoint now = loop.clock().now();
    if (cpu) out.readings.push_back({now - order, *cpu});
    over = !cpu || now - order >= until;
    if (!over) timer = loop.clock().call_after(kTraceEvery, tick);
  };
  tick();
  (void)loop.run_until([&] { return over || worker.broken(); },
                       until + kTraceBefore + std::chrono::seconds(1));
  if (!over) loop.clock().cancel(timer);
}

}  // namespace

Result<std::vector<FollowSample>> measure_follows(LiveLoop& loop, WorkerBench& bench,
                                                  const ModelScenario& model,
                                                  const ProfileOptions& options) {
  const auto samples = load_samples(model);
  if (!samples) return samples.error();
  const Bench b{loop, bench, model, *samples, options};
  const auto started = b.start("throughput", kLowCpus);
  if (!started) return started.error();
  BenchWorker& worker = **started;
  if (const Status s = bench.limit(worker, kLowCpus); !s) return s.error();
  options.say(fmt::format("{}: {} changes of the CPU limit", model.name, options.limit_changes));
  std::vector<FollowSample> out;
  bench.saturate(worker, 1);
  for (int i = 0; i < options.limit_changes && !worker.broken() && !loop.interrupted(); ++i) {
    FollowSample sample;
    sample.from_cpus = i % 2 == 0 ? kLowCpus : kHighCpus;
    sample.to_cpus = i % 2 == 0 ? kHighCpus : kLowCpus;
    const TimePoint order = loop.clock().now() + kTraceBefore;
    trace(loop, worker, order, Duration{0}, sample);
    // The order is what the readings count from.
    const TimePoint ordered = loop.clock().now();
    for (auto& reading : sample.readings) reading.since_order -= ordered - order;
    if (const Status s = bench.set_limit(worker, sample.to_cpus); !s) return s.error();
    trace(loop, worker, ordered, kTraceAfter, sample);
    if (worker.limit_in_force_at) sample.in_force = *worker.limit_in_force_at - ordered;
    out.push_back(std::move(sample));
  }
  if (const Status s = bench.rest(worker); !s) return s.error();
  bench.stop(worker);
  return out;
}

namespace {

double mean_call_s(const ModelSamples& m) {
  double sum = 0.0;
  for (const auto& call : m.calls.front().calls) sum += to_seconds(call.service);
  return sum / static_cast<double>(std::max<std::size_t>(1, m.calls.front().calls.size()));
}

// The model whose mean call comes first by `before`.
template <class Before>
std::size_t extreme(const std::vector<ModelSamples>& models, Before before) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < models.size(); ++i) {
    if (before(mean_call_s(models[i]), mean_call_s(models[best]))) best = i;
  }
  return best;
}

// Does something else use the machine just now?
void warn_if_busy(LiveLoop& loop, double cores, const ProfileOptions& options,
                  std::vector<std::string>& warnings) {
  const CanaryReading before = read_canary();
  (void)loop.run_until([] { return false; }, std::chrono::seconds(1));
  for (const auto& reason : judge_canary(before, read_canary(), cores).reasons) {
    warnings.push_back("before measuring: " + reason);
    options.say("warning: " + warnings.back() + "; the profile will say so");
  }
}

Status measure_workers(LiveLoop& loop, const std::vector<ModelScenario>& models,
                       const ProfileOptions& options, ProfileSamples& out) {
  auto bench = WorkerBench::open(
      loop, {options.program, std::filesystem::absolute(options.work).lexically_normal(),
             runtime_directory() / fmt::format("bench-{}.sock", ::getpid()), options.limits});
  if (!bench) return bench.error();
  out.limit_mechanism = std::string(scaling::to_string((*bench)->limit_mechanism()));
  out.limit_note = (*bench)->limit_note();
  if (!out.limit_mechanism.starts_with("cgroup")) {
    out.warnings.push_back(fmt::format(
        "CPU limits are kept by {}, not by a control group{}{}: the simulator models CFS quotas, "
        "so what was measured under limits is not compared with it",
        out.limit_mechanism, out.limit_note.empty() ? "" : ": ", out.limit_note));
    options.say("warning: " + out.warnings.back());
  }
  for (const ModelScenario& model : models) {
    auto measured = measure_model(loop, **bench, model, out.cores, options);
    if (!measured) return measured.error();
    out.models.push_back(std::move(measured).value());
  }
  if ((*bench)->limit_mechanism() == scaling::LimitMechanism::None) return ok();
  // The longest calls show most clearly what a limit lets through.
  const std::size_t longest = extreme(out.models, [](double a, double b) { return a > b; });
  auto follows = measure_follows(loop, **bench, models[longest], options);
  if (!follows) return follows.error();
  out.follows = std::move(follows).value();
  out.followed_model = out.models[longest].name;
  if (!(options.live_seconds > 0.0)) return ok();
  const std::size_t quickest = extreme(out.models, [](double a, double b) { return a < b; });
  auto loaded = measure_loaded_transport(loop, **bench, models[longest], models[quickest],
                                         mean_call_s(out.models[quickest]), out.cores, options);
  if (!loaded) return loaded.error();
  out.transport.loaded = std::move(loaded).value();
  return ok();
}

}  // namespace

Result<ProfileSamples> measure_profile(LiveLoop& loop, const std::vector<ModelScenario>& models,
                                       const ProfileOptions& options) {
  std::error_code failed;
  std::filesystem::create_directories(options.work, failed);
  if (!failed) std::filesystem::create_directories(runtime_directory(), failed);
  if (failed) {
    return Error{ErrorCode::PermissionDenied,
                 "cannot make " + options.work.string() + ": " + failed.message()};
  }
  const Machine machine = read_machine();
  ProfileSamples out;
  out.spate = options.spate_version;
  out.measured_unix_s = to_unix_s(loop.clock().wall_now());
  out.machine = machine_json(machine);
  out.cores = std::max(1, static_cast<int>(std::floor(machine.cores)));
  warn_if_busy(loop, machine.cores_online, options, out.warnings);
  const CanaryReading before = read_canary();
  if (const Status s = measure_workers(loop, models, options, out); !s) return s.error();
  if (options.live_seconds > 0.0) {
    const std::size_t quickest = extreme(out.models, [](double a, double b) { return a < b; });
    auto transport =
        measure_transport(loop, models[quickest], mean_call_s(out.models[quickest]), options);
    if (!transport) return transport.error();
    transport->loaded = std::move(out.transport.loaded);
    out.transport = std::move(transport).value();
  }
  const CanaryReading after = read_canary();
  const Disturbance disturbance = judge_canary(before, after, machine.cores_online);
  out.canary = canary_json(before, after, disturbance);
  for (const auto& reason : disturbance.reasons) out.warnings.push_back("disturbed: " + reason);
  return out;
}

}  // namespace spate::lab
