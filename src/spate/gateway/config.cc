// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/config.h"

#include <algorithm>
#include <limits>
#include <set>

#include "spate/base/config_error.h"
#include "spate/gateway/backend_config.h"

namespace spate::gateway {

namespace {

constexpr double kHourMs = 3'600'000.0;
constexpr int kMaxWarmPool = 64;
constexpr double kSmallestMs = 0.001;  // the open end of "more than 0"

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  });
}

std::string read_name(const ConfigReader& node) {
  std::string name = node.text();
  if (!is_name(name)) node.fail("1 to 64 of the characters A-Z a-z 0-9 _ . -");
  return name;
}

int int_or(const ConfigReader& reader, std::string_view key, int otherwise, int low, int high) {
  return static_cast<int>(reader.integer_or(key, otherwise, low, high));
}

std::size_t size_or(const ConfigReader& reader, std::string_view key, std::size_t otherwise,
                    std::int64_t high) {
  return static_cast<std::size_t>(
      reader.integer_or(key, static_cast<std::int64_t>(otherwise), 1, high));
}

std::string choice_or(const ConfigReader& reader, std::string_view key, std::string otherwise,
                      std::initializer_list<std::string_view> choices) {
  const auto node = reader.find(key);
  return node ? node->one_of(choices) : otherwise;
}

std::string json_or_empty(const ConfigReader& reader, std::string_view key) {
  const auto node = reader.find(key);
  if (!node) return "{}";
  if (!node->is_map()) node->fail("a map of settings");
  return node->to_json_text();
}

BrokerConfig read_broker(const ConfigReader& reader) {
  reader.allow_only({"host", "port", "username", "password_file"});
  BrokerConfig broker;
  broker.host = reader.text_or("host", broker.host);
  broker.port = static_cast<std::uint16_t>(int_or(reader, "port", broker.port, 1, 65535));
  broker.username = reader.text_or("username", "");
  broker.password_file = reader.text_or("password_file", "");
  return broker;
}

std::string read_host_port(const ConfigReader& node) {
  std::string text = node.text();
  const auto colon = text.rfind(':');
  const auto digits = colon == std::string::npos ? "" : text.substr(colon + 1);
  const bool good =
      colon != std::string::npos && colon > 0 && !digits.empty() && digits.size() <= 5 &&
      digits.find_first_not_of("0123456789") == std::string::npos && std::stoi(digits) >= 1 &&
      std::stoi(digits) <= 65535 && text.find_first_of("/ @") == std::string::npos;
  if (!good) node.fail("host:port");
  return text;
}

HttpConfig read_http(const ConfigReader& reader) {
  reader.allow_only({"host", "port"});
  HttpConfig http;
  http.host = reader.text_or("host", http.host);
  http.port = static_cast<std::uint16_t>(int_or(reader, "port", http.port, 0, 65535));
  return http;
}

void read_cpu_settings(const ConfigReader& reader, ModelConfig& model) {
  model.cpu_limit = reader.number_or("cpu_limit", model.cpu_limit, 0.01, 256);
  model.cpu_request = reader.number_or("cpu_request", model.cpu_limit, 0.01, 256);
  model.mode = choice_or(reader, "mode", model.mode, {"throughput", "latency"});
  model.replicas = int_or(reader, "replicas", model.replicas, 0, 10'000);
  model.min_replicas = int_or(reader, "min_replicas", model.replicas, 0, 10'000);
  model.max_replicas = int_or(reader, "max_replicas", model.replicas, 0, 10'000);
  model.min_cpu = reader.number_or("min_cpu", model.cpu_limit, 0.01, 256);
  model.max_cpu = reader.number_or("max_cpu", model.cpu_limit, 0.01, 256);
  model.cpu_ceiling = reader.number_or(
      "cpu_ceiling", std::max(1, model.max_replicas) * model.max_cpu, 0.01, 1'000'000);
  model.scaled = reader.boolean_or("scaled", model.scaled);
  model.warm_pool = int_or(reader, "warm_pool", 0, 0, kMaxWarmPool);
  model.max_warm_pool = int_or(
      reader, "max_warm_pool",
      std::max(model.warm_pool, std::min(model.max_replicas, kMaxWarmPool)), 0, kMaxWarmPool);
  if (model.warm_pool > model.max_warm_pool) reader.complain("warm_pool is above max_warm_pool");
  if (model.min_replicas > model.max_replicas)
    reader.complain("min_replicas is above max_replicas");
  if (model.replicas < model.min_replicas || model.replicas > model.max_replicas)
    reader.complain("replicas lies outside [min_replicas, max_replicas]");
  if (model.min_cpu > model.max_cpu) reader.complain("min_cpu is above max_cpu");
  if (model.cpu_limit < model.min_cpu || model.cpu_limit > model.max_cpu)
    reader.complain("cpu_limit lies outside [min_cpu, max_cpu]");
}

void read_queue_settings(const ConfigReader& reader, ModelConfig& model) {
  model.max_batch = int_or(reader, "max_batch", model.max_batch, 1, 4096);
  model.max_delay = reader.milliseconds_or("max_delay_ms", model.max_delay, 0, 60'000);
  model.max_queue_messages =
      size_or(reader, "max_queue_messages", model.max_queue_messages, 10'000'000);
  model.max_queue_bytes =
      size_or(reader, "max_queue_bytes", model.max_queue_bytes, std::int64_t{1} << 40);
  model.max_payload_bytes =
      size_or(reader, "max_payload_bytes", std::min(model.max_payload_bytes, model.max_queue_bytes),
              (std::int64_t{1} << 26) - 4096);
  if (model.max_payload_bytes > model.max_queue_bytes)
    reader.complain("max_payload_bytes is above max_queue_bytes");
  model.max_attempts = int_or(reader, "max_attempts", model.max_attempts, 1, 100);
  model.attempt_timeout =
      reader.milliseconds_or("attempt_timeout_ms", model.attempt_timeout, kSmallestMs, kHourMs);
  const std::string dispatch = choice_or(reader, "dispatch", "least_outstanding",
                                         {"least_outstanding", "power_of_two", "round_robin"});
  model.dispatch = dispatch == "power_of_two"  ? DispatchPolicy::PowerOfTwo
                   : dispatch == "round_robin" ? DispatchPolicy::RoundRobin
                                               : DispatchPolicy::LeastOutstanding;
  model.early_overload = reader.boolean_or("early_overload", model.early_overload);
  model.deadline_margin =
      reader.milliseconds_or("deadline_margin_ms", model.deadline_margin, 0, 60'000);
  model.default_deadline =
      reader.milliseconds_or("default_deadline_ms", model.default_deadline, 0, kHourMs);
}

ModelConfig read_model(const ConfigReader& reader) {
  reader.allow_only({"name",
                     "path",
                     "slo_latency_ms",
                     "slo_target",
                     "cpu_request",
                     "cpu_limit",
                     "mode",
                     "replicas",
                     "min_replicas",
                     "max_replicas",
                     "min_cpu",
                     "max_cpu",
                     "cpu_ceiling",
                     "warm_pool",
                     "max_warm_pool",
                     "scaled",
                     "max_batch",
                     "max_delay_ms",
                     "max_queue_messages",
                     "max_queue_bytes",
                     "max_payload_bytes",
                     "max_attempts",
                     "attempt_timeout_ms",
                     "dispatch",
                     "early_overload",
                     "deadline_margin_ms",
                     "default_deadline_ms"});
  ModelConfig model;
  model.name = read_name(reader.at("name"));
  model.path = reader.text_or("path", "");
  model.slo_latency =
      reader.milliseconds_or("slo_latency_ms", model.slo_latency, kSmallestMs, kHourMs);
  model.slo_target = reader.number_or("slo_target", model.slo_target, 1e-6, 1);
  read_cpu_settings(reader, model);
  read_queue_settings(reader, model);
  return model;
}

SingleTopicRoutes read_single_topic_routes(const ConfigReader& reader,
                                           const std::vector<ModelConfig>& models) {
  reader.allow_only({"numeric", "classification", "image"});
  SingleTopicRoutes routes;
  const auto read = [&](std::string_view key, std::string& route) {
    const auto node = reader.find(key);
    if (!node) return;
    route = node->text();
    const bool known = std::any_of(models.begin(), models.end(),
                                   [&](const ModelConfig& model) { return model.name == route; });
    if (!known) node->fail("the name of one of the models");
  };
  read("numeric", routes.numeric);
  read("classification", routes.classification);
  read("image", routes.image);
  return routes;
}

std::string read_topic(const ConfigReader& node) {
  std::string topic = node.text();
  if (topic.find_first_of("+#") != std::string::npos || topic.size() > 65535)
    node.fail("a topic without the wildcards + and #");
  if (topic.rfind("spate/v1/", 0) == 0) node.fail("a topic outside of spate/v1/");
  return topic;
}

}  // namespace

std::string_view to_string(DispatchPolicy policy) {
  switch (policy) {
    case DispatchPolicy::LeastOutstanding:
      return "least_outstanding";
    case DispatchPolicy::PowerOfTwo:
      return "power_of_two";
    case DispatchPolicy::RoundRobin:
      return "round_robin";
  }
  return "?";
}

GatewayConfig read_gateway_config(const ConfigReader& reader) {
  reader.allow_only({"broker", "run_id", "run_dir", "worker_listen", "token_file", "http",
                     "run_label", "metrics_targets", "single_topic", "single_topic_routes",
                     "strategy", "actuator", "backend", "models", "max_clock_difference_ms",
                     "answer_unknown_models", "shutdown_grace_s", "heartbeat_timeout_s"});
  GatewayConfig config;
  if (const auto node = reader.find("broker")) config.broker = read_broker(*node);
  config.run_id = read_name(reader.at("run_id"));
  config.run_dir = reader.text_or("run_dir", ".");
  config.worker_listen = reader.at("worker_listen").text();
  if (config.worker_listen.rfind("unix:", 0) != 0 && config.worker_listen.rfind("tcp:", 0) != 0)
    reader.at("worker_listen").fail("unix:/path or tcp:host:port");
  config.token_file = reader.at("token_file").text();
  if (const auto node = reader.find("http")) config.http = read_http(*node);
  config.run_label = reader.text_or("run_label", config.run_id);
  if (const auto node = reader.find("metrics_targets")) {
    for (const std::string& component : node->keys()) {
      config.metrics_targets[component] = read_host_port(node->at(component));
    }
  }
  if (const auto node = reader.find("single_topic")) config.single_topic = read_topic(*node);
  if (const auto node = reader.find("strategy")) {
    // `demand` is read by whoever makes the strategy.
    node->allow_only({"name", "options", "demand"});
    config.strategy.name = node->at("name").text();
    config.strategy.options_json = json_or_empty(*node, "options");
  }
  if (const auto node = reader.find("actuator")) {
    node->allow_only({"kind", "limits", "options"});
    config.actuator.kind = node->text_or("kind", config.actuator.kind);
    config.actuator.limits = choice_or(*node, "limits", config.actuator.limits,
                                       {"auto", "cgroup", "duty_cycle", "none"});
    config.actuator.options_json = json_or_empty(*node, "options");
  }
  // Read by who starts the workers: gateway/backend_config.h.
  if (const auto node = reader.find("backend")) (void)read_backend_config(*node, config.run_id);
  std::set<std::string> names;
  for (const ConfigReader& node : reader.at("models").list()) {
    config.models.push_back(read_model(node));
    if (!names.insert(config.models.back().name).second)
      node.at("name").fail("a name that no other model has");
  }
  if (config.models.empty()) reader.at("models").fail("at least one model");
  if (const auto node = reader.find("single_topic_routes"))
    config.single_topic_routes = read_single_topic_routes(*node, config.models);
  config.max_clock_difference = reader.milliseconds_or(
      "max_clock_difference_ms", config.max_clock_difference, kSmallestMs, kHourMs);
  config.answer_unknown_models =
      reader.boolean_or("answer_unknown_models", config.answer_unknown_models);
  config.shutdown_grace = reader.seconds_or("shutdown_grace_s", config.shutdown_grace, 0, 3600);
  config.heartbeat_timeout =
      reader.seconds_or("heartbeat_timeout_s", config.heartbeat_timeout, 1, 3600);
  return config;
}

GatewayConfig read_gateway_config(const std::filesystem::path& file) {
  return read_gateway_config(ConfigReader::from_file(file));
}

}  // namespace spate::gateway
