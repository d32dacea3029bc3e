// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/capacity.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "spate/base/sha256.h"
#include "spate/lab/canary.h"
#include "spate/lab/model_samples.h"
#include "spate/lab/run_files.h"
#include "spate/lab/supervisor.h"
#include "spate/lab/worker_probe.h"
#include "spate/models/manifest.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

std::vector<int> batch_sizes(int max_batch) {
  std::vector<int> out;
  for (int size = 1; size < max_batch; size *= 2) out.push_back(size);
  out.push_back(max_batch);
  return out;
}

gateway::RouteOptions route_of(const ModelScenario& model) {
  gateway::ModelConfig config;
  config.max_batch = model.max_batch;
  config.max_delay = from_ms(model.max_delay_ms);
  config.max_queue_messages = static_cast<std::size_t>(model.max_queue_messages);
  config.max_queue_bytes = static_cast<std::size_t>(model.max_queue_bytes);
  config.max_attempts = model.max_attempts;
  config.attempt_timeout = from_ms(model.attempt_timeout_ms);
  config.early_overload = model.early_overload;
  return gateway::route_options(config);
}

Json distribution(std::vector<Duration> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double q) {
    return to_ms(times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))]);
  };
  double sum = 0.0;
  Json all = Json::array();
  for (const Duration t : times) {
    sum += to_ms(t);
    if (all.size() < 1000) all.push_back(to_ms(t));
  }
  return {{"count", times.size()}, {"mean_ms", sum / static_cast<double>(times.size())},
          {"min_ms", at(0.0)},     {"p50_ms", at(0.5)},
          {"p90_ms", at(0.9)},     {"max_ms", at(1.0)},
          {"sorted_ms", all}};
}

Result<Json> measure(LiveLoop& loop, const ModelScenario& model, const CapacityOptions& options) {
  auto samples = load_samples(model);
  if (!samples) return samples.error();
  std::error_code failed;
  std::filesystem::create_directories(options.work, failed);
  std::filesystem::create_directories(runtime_directory(), failed);
  ProbeOptions probe;
  probe.program = options.program;
  probe.folder = std::filesystem::absolute(options.work).lexically_normal();
  probe.socket = runtime_directory() / fmt::format("probe-{}.sock", ::getpid());
  probe.model = model.name;
  probe.model_path = std::filesystem::absolute(model.model);
  probe.mode = model.mode;
  probe.cpu_limit = model.cpu_limit;
  probe.limits = options.limits;
  probe.batches = batch_sizes(model.max_batch);
  probe.samples = std::move(samples).value();
  const auto measured = probe_worker(loop, probe);
  if (!measured) return measured.error();

  CapacityQuestion question;
  question.route = route_of(model);
  question.service = measured->service;
  question.credits = measured->credits;
  question.cpu_limit = model.cpu_limit;
  question.slo_latency = from_ms(model.slo_latency_ms);
  question.deadline = from_ms(model.deadline_ms);
  question.target = model.slo_target;
  const CapacityAnswer answer = find_capacity(question);
  if (answer.rate_per_s <= 0.0) {
    return Error{
        ErrorCode::InvalidArgument,
        fmt::format("one replica of {} with {:g} CPU cannot meet its objective at any "
                    "rate: it took {:.0f} ms at the median, the objective is {:g} ms",
                    model.name, model.cpu_limit,
                    distribution(measured->service.begin()->second)["p50_ms"].get<double>(),
                    model.slo_latency_ms)};
  }
  Json service = Json::object();
  for (const auto& [batch, times] : measured->service) {
    service[std::to_string(batch)] = distribution(times);
  }
  return Json{{"per_s", answer.rate_per_s},
              {"low_per_s", answer.low_per_s},
              {"high_per_s", answer.high_per_s},
              {"interval", "90 %, bootstrap of the measured service times"},
              {"saturated_per_s", answer.saturated_per_s},
              {"method",
               "service times of one saturated worker under its CPU limit; largest Poisson rate "
               "that the gateway's route core serves within the objective in virtual time"},
              {"credits", measured->credits},
              {"limit_mechanism", measured->limit_mechanism},
              {"service", service},
              {"measured_unix_s", to_unix_s(loop.clock().wall_now())}};
}

}  // namespace

Json capacity_key(const ModelScenario& model, const std::string& model_version,
                  const Machine& machine, const std::string& limits) {
  return {{"schema", 1},
          {"model", model.name},
          {"model_version", model_version},
          {"dataset", std::filesystem::absolute(model.dataset).lexically_normal().string()},
          {"split", model.split},
          {"cpu_limit", model.cpu_limit},
          {"mode", model.mode},
          {"max_batch", model.max_batch},
          {"max_delay_ms", model.max_delay_ms},
          {"early_overload", model.early_overload},
          {"slo_latency_ms", model.slo_latency_ms},
          {"slo_target", model.slo_target},
          {"deadline_ms", model.deadline_ms},
          {"limits", limits},
          {"cpu_model", machine.cpu_model},
          {"cores", machine.cores}};
}

Result<Capacity> capacity_of(LiveLoop& loop, const ModelScenario& model, const Machine& machine,
                             const CapacityOptions& options) {
  const auto manifest = models::read_manifest(model.model);
  if (!manifest) return manifest.error();
  const Json key =
      capacity_key(model, manifest->version + " " + manifest->variant, machine, options.limits);
  const auto file =
      options.cache / fmt::format("{}-{}.json", model.name, sha256_hex(key.dump()).substr(0, 12));
  if (!options.remeasure) {
    if (const auto text = read_file(file)) {
      const Json kept = Json::parse(*text, nullptr, false);
      if (kept.is_object() && kept.value("key", Json()) == key && kept.contains("capacity") &&
          number_of(kept["capacity"], "per_s") > 0.0) {
        return Capacity{number_of(kept["capacity"], "per_s"), kept["capacity"], true, {}};
      }
    }
  }
  const CanaryReading before = options.canary();
  auto measured = measure(loop, model, options);
  std::error_code failed;
  if (!measured) return measured.error();
  std::filesystem::remove_all(options.work, failed);
  const CanaryReading after = options.canary();
  const Disturbance disturbance = judge_canary(before, after, machine.cores_online);
  (*measured)["canary"] = canary_json(before, after, disturbance);
  Capacity out{number_of(*measured, "per_s"), *measured, false, disturbance.reasons};
  // A capacity that was measured beside others' work is one of this moment only.
  if (disturbance.disturbed) return out;
  const Status kept = write_file(file, Json{{"key", key}, {"capacity", *measured}}.dump(1) + "\n");
  if (!kept) return kept.error();
  return out;
}

}  // namespace spate::lab
