// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "spate/app/model_command.h"
#include "spate/app/model_samples.h"
#include "spate/base/histogram.h"
#include "spate/base/real_clock.h"
#include "spate/models/load.h"

namespace spate::app {
namespace {

struct BenchSettings {
  std::string directory;
  std::string input;
  double seconds = 5.0;
  int threads = 1;
  int intra_op_threads = 1;
  bool json = false;
};

struct Measured {
  Histogram latency;
  Status status = ok();
};

// Calls predict() with one sample after another until `end`.
void call_until(models::Model& model, const std::string& payload, TimePoint end, Measured& out) {
  const models::Input input{"", payload};
  TimePoint now = monotonic_now();
  while (now < end) {
    const auto answers = model.predict({&input, 1});
    const TimePoint after = monotonic_now();
    if (!answers.front()) {
      out.status = answers.front().error();
      return;
    }
    out.latency.record(after - now);
    now = after;
  }
}

Measured call_from_threads(models::Model& model, const std::string& payload, int count,
                           Duration span) {
  const TimePoint end = monotonic_now() + span;
  std::vector<Measured> measured(static_cast<std::size_t>(count));
  std::vector<std::thread> threads;
  threads.reserve(measured.size());
  for (auto& out : measured) {
    threads.emplace_back([&model, &payload, end, &out] { call_until(model, payload, end, out); });
  }
  for (auto& thread : threads) thread.join();
  Measured all;
  for (const auto& out : measured) {
    all.latency.merge(out.latency);
    if (!out.status) all.status = out.status;
  }
  return all;
}

// What to call the model with.
Result<std::string> payload_of(const std::string& input, const models::Model& model) {
  if (input.empty()) return model.sample_payload();
  const auto samples = samples_of_input(input, model.manifest());
  if (!samples) return samples.error();
  if (!samples->single) {
    return Error{ErrorCode::InvalidArgument,
                 "model bench: --input " + input +
                     " holds many inputs; expected one row, JSON request or image"};
  }
  auto sample = samples->fetch(0);
  if (!sample) return sample.error();
  return std::move(sample->payload);
}

int bench(const BenchSettings& settings) {
  models::LoadOptions load;
  load.intra_op_threads = settings.intra_op_threads;
  const TimePoint before = monotonic_now();
  const auto model = models::load_model(settings.directory, load);
  if (!model) return fail(model.error());
  const Duration load_time = monotonic_now() - before;
  const auto payload = payload_of(settings.input, **model);
  if (!payload) return fail(payload.error());
  constexpr double kWarmUpShare = 0.1;
  const auto warm_up = call_from_threads(**model, *payload, settings.threads,
                                         from_seconds(kWarmUpShare * settings.seconds));
  if (!warm_up.status) return fail(warm_up.status.error());
  const TimePoint start = monotonic_now();
  const auto measured =
      call_from_threads(**model, *payload, settings.threads, from_seconds(settings.seconds));
  const double took_s = to_seconds(monotonic_now() - start);
  if (!measured.status) return fail(measured.status.error());
  const Histogram& latency = measured.latency;
  const double per_s = static_cast<double>(latency.count()) / took_s;
  const auto& manifest = (*model)->manifest();
  if (settings.json) {
    const nlohmann::ordered_json out{{"model", manifest.name},
                                     {"version", manifest.version},
                                     {"threads", settings.threads},
                                     {"intra_op_threads", settings.intra_op_threads},
                                     {"seconds", took_s},
                                     {"load_ms", to_ms(load_time)},
                                     {"calls", latency.count()},
                                     {"per_s", per_s},
                                     {"mean_ms", 1e3 * latency.mean_s()},
                                     {"p50_ms", to_ms(latency.quantile(0.5))},
                                     {"p99_ms", to_ms(latency.quantile(0.99))},
                                     {"max_ms", to_ms(latency.max())}};
    fmt::print("{}\n", out.dump());
    return kDone;
  }
  fmt::print("{} {}: loaded in {:.1f} ms; {} thread{} for {:.1f} s, one sample a call\n",
             manifest.name, manifest.version, to_ms(load_time), settings.threads,
             settings.threads == 1 ? "" : "s", took_s);
  fmt::print("  {:.0f} per second; p50 {:.4g} ms, p99 {:.4g} ms, longest {:.4g} ms\n", per_s,
             to_ms(latency.quantile(0.5)), to_ms(latency.quantile(0.99)), to_ms(latency.max()));
  return kDone;
}

}  // namespace

void add_model_bench(CLI::App& model, Run& run) {
  auto settings = std::make_shared<BenchSettings>();
  auto* command = model.add_subcommand(
      "bench",
      "Call a model in a closed loop (each thread one sample after another, decoding of the input "
      "included) and print calls per second and latency.");
  command->add_option("directory", settings->directory, "Model directory")->required();
  command
      ->add_option(
          "--input", settings->input,
          "What to call it with, as for `spate model predict`: a row, JSON, or a file with one "
          "request or image. Default: a valid sample of its own")
      ->type_name("INPUT");
  command->add_option("--seconds", settings->seconds, "How long to measure; a tenth more warms up")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->add_option("--threads", settings->threads, "Threads that call at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--intra-op-threads", settings->intra_op_threads,
                   "Threads within one call, for runtimes that have them (ONNX)")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_flag("--json", settings->json, "Print one JSON object");
  command->footer("Example:\n  spate model bench var/models/linear --seconds 3 --threads 2\n\n" +
                  usual_exit_text());
  command->callback([settings, &run] { run = [settings] { return bench(*settings); }; });
}

}  // namespace spate::app
