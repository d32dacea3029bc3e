// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/run_config.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "spate/base/config_error.h"
#include "spate/base/sha256.h"
#include "spate/lab/demand.h"
#include "spate/scaling/strategies.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestSocketPath = 107;

Json broker_json(const BrokerAddress& broker) {
  return {{"host", broker.host},
          {"port", broker.port},
          {"username", broker.username},
          {"password_file", broker.password_file}};
}

std::string absolute_text(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

// Only the baselines that see the demand are told of it.
Json strategy_json(const Scenario& scenario, const StrategyChoice& strategy) {
  Json out{{"name", strategy.kind}, {"options", Json::parse(strategy.options_json)}};
  const auto registry = scaling::builtin_strategies(demand_of(scenario));
  const auto& known = registry.list();
  const auto info = std::find_if(known.begin(), known.end(),
                                 [&](const auto& i) { return i.name == strategy.kind; });
  if (info != known.end() && info->sees_schedule) out["demand"] = demand_json(demand_of(scenario));
  return out;
}

}  // namespace

HttpAddress parse_http_address(const std::string& text) {
  HttpAddress out;
  const auto colon = text.rfind(':');
  std::string host = colon == std::string::npos ? out.host : text.substr(0, colon);
  const char* const first = text.data() + (colon == std::string::npos ? 0 : colon + 1);
  const char* const last = text.data() + text.size();
  const auto [at, error] = std::from_chars(first, last, out.port);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (error != std::errc{} || at != last || out.port == 0 || host.empty()) {
    throw ConfigError("--http: expected [ADDRESS:]PORT such as 8080 or 0.0.0.0:8080, got \"" +
                      text + "\"");
  }
  out.host = host;
  return out;
}

RunPaths run_paths(const std::filesystem::path& directory, const std::filesystem::path& fallback,
                   const std::string& run_id) {
  RunPaths out;
  out.directory = std::filesystem::absolute(directory).lexically_normal();
  out.socket = out.directory / "gateway.sock";
  if (out.socket.string().size() > kLongestSocketPath) {
    out.socket = fallback / (sha256_hex(out.directory.string() + run_id).substr(0, 16) + ".sock");
  }
  return out;
}

Json gateway_json(const Scenario& scenario, const StrategyChoice& strategy,
                  const BrokerAddress& broker, const RunPaths& paths, const std::string& run_id,
                  const std::string& limits, const HttpAddress& http) {
  Json models = Json::array();
  for (const auto& m : scenario.models) {
    models.push_back({{"name", m.name},
                      {"path", absolute_text(m.model)},
                      {"slo_latency_ms", m.slo_latency_ms},
                      {"slo_target", m.slo_target},
                      {"cpu_request", m.cpu_request},
                      {"cpu_limit", m.cpu_limit},
                      {"mode", m.mode},
                      {"replicas", m.replicas},
                      {"min_replicas", m.min_replicas},
                      {"max_replicas", m.max_replicas},
                      {"min_cpu", m.min_cpu},
                      {"max_cpu", m.max_cpu},
                      {"cpu_ceiling", m.cpu_ceiling},
                      {"warm_pool", m.warm_pool},
                      {"max_warm_pool", m.max_warm_pool},
                      {"scaled", m.scaled},
                      {"max_batch", m.max_batch},
                      {"max_delay_ms", m.max_delay_ms},
                      {"max_queue_messages", m.max_queue_messages},
                      {"max_queue_bytes", m.max_queue_bytes},
                      {"max_attempts", m.max_attempts},
                      {"attempt_timeout_ms", m.attempt_timeout_ms},
                      {"dispatch", m.dispatch},
                      {"early_overload", m.early_overload}});
  }
  return {{"broker", broker_json(broker)},
          {"run_id", run_id},
          {"run_dir", paths.directory.string()},
          {"worker_listen", "unix:" + paths.socket.string()},
          {"token_file", paths.token().string()},
          {"http", {{"host", http.host}, {"port", http.port}}},
          {"run_label", paths.directory.filename().string()},
          {"single_topic", "data_influx"},
          {"strategy", strategy_json(scenario, strategy)},
          {"actuator", {{"kind", "process"}, {"limits", limits}}},
          {"models", models}};
}

Json influx_json(const Scenario& scenario, const BrokerAddress& broker, const RunPaths& paths,
                 int repetition, const std::map<std::string, std::filesystem::path>& expected,
                 const HttpAddress& http) {
  Json models = Json::array();
  for (const auto& m : scenario.models) {
    Json entry{{"name", m.name},
               {"dataset", absolute_text(m.dataset)},
               {"split", m.split},
               {"model_path", absolute_text(m.model)},
               {"deadline_ms", m.deadline_ms},
               {"slo_latency_ms", m.slo_latency_ms},
               {"profile", Json::parse(m.profile.resolved_json())},
               {"arrivals", Json::parse(m.arrivals_json)}};
    if (const auto at = expected.find(m.name); at != expected.end()) {
      entry["expected"] = absolute_text(at->second);
    }
    models.push_back(std::move(entry));
  }
  return {{"broker", broker_json(broker)},
          {"run_dir", paths.directory.string()},
          {"seed", scenario.seed},
          {"run", repetition - 1},
          {"qos", scenario.qos},
          {"warm_up_s", scenario.warm_up_s},
          {"duration_s", scenario.duration_s},
          {"settle_s", scenario.settle_s},
          {"metrics", {{"host", http.host}, {"port", 0}}},
          {"models", models}};
}

}  // namespace spate::lab
