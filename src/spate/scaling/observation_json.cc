// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/observation_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

namespace spate::scaling {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMostReplicas = 1'000'000;
constexpr std::size_t kQuoted = 200;  // characters of a bad line that an error repeats

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
double seconds_since(TimePoint now, TimePoint then) { return to_seconds(now - then); }

Json bounds_json(const Bounds& b) {
  return {{"min_replicas", b.min_replicas},
          {"max_replicas", b.max_replicas},
          {"min_cpu", b.min_cpu},
          {"max_cpu", b.max_cpu},
          {"cpu_ceiling", b.cpu_ceiling}};
}

Json metric_json(TimePoint now, const MetricView& metric, const MetricSpec& spec) {
  Json out = {{"value", metric.value ? number(*metric.value) : Json(nullptr)},
              {"readings", metric.readings},
              {"covered_s", to_seconds(metric.covered)}};
  out["age_s"] = metric.value ? Json(seconds_since(now, metric.newest)) : Json(nullptr);
  if (is_per_replica(spec.signal)) {
    Json replicas = Json::object();
    for (const auto& reading : metric.replicas) replicas[reading.replica] = number(reading.value);
    out["replicas"] = std::move(replicas);
  }
  return out;
}

Json model_json(TimePoint now, const ModelView& model, const std::vector<MetricSpec>& specs) {
  Json out = {{"model", model.model},
              {"slo_latency_s", model.slo_latency_s},
              {"slo_target", model.slo_target},
              {"bounds", bounds_json(model.bounds)},
              {"cpu_request", model.cpu_request},
              {"cpu_limit", model.cpu_limit},
              {"initial_cpu_limit", model.initial_cpu_limit},
              {"wanted_replicas", model.wanted_replicas},
              {"warm_pool", model.warm_pool}};
  Json replicas = Json::array();
  for (const auto& replica : model.replicas) {
    replicas.push_back({{"id", replica.id},
                        {"state", to_string(replica.state)},
                        {"age_s", seconds_since(now, replica.created)},
                        {"state_age_s", seconds_since(now, replica.state_since)},
                        {"cpu_request", replica.cpu_request},
                        {"cpu_limit", replica.cpu_limit},
                        {"in_flight", replica.in_flight}});
  }
  out["replicas"] = std::move(replicas);
  Json start_ups = Json::array();
  for (const Duration took : model.start_ups) start_ups.push_back(to_seconds(took));
  out["start_ups_s"] = std::move(start_ups);
  Json metrics = Json::object();
  for (std::size_t i = 0; i < specs.size() && i < model.metrics.size(); ++i) {
    metrics[specs[i].name] = metric_json(now, model.metrics[i], specs[i]);
  }
  out["metrics"] = std::move(metrics);
  return out;
}

void allow_only(const nlohmann::json& object, std::initializer_list<std::string_view> keys,
                const std::string& where) {
  if (!object.is_object()) throw std::invalid_argument(where + ": expected an object");
  for (const auto& [key, value] : object.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      throw std::invalid_argument(
          fmt::format("{}: unknown key \"{}\" (known: {})", where, key, fmt::join(keys, ", ")));
    }
  }
}

template <class T>
std::optional<T> whole_number(const nlohmann::json& object, const char* key, T low, T high,
                              const std::string& where) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return std::nullopt;
  const bool is_whole =
      it->is_number_integer() ||
      (it->is_number_float() && std::floor(it->get<double>()) == it->get<double>());
  if (!is_whole || it->get<double>() < static_cast<double>(low) ||
      it->get<double>() > static_cast<double>(high)) {
    throw std::invalid_argument(fmt::format("{}.{}: expected a whole number from {} to {}, got {}",
                                            where, key, low, high, it->dump()));
  }
  return static_cast<T>(it->get<double>());
}

Target read_target(const nlohmann::json& entry, const ModelView& model) {
  const std::string where = "models[\"" + model.model + "\"]";
  allow_only(entry, {"model", "replicas", "cpu_limit", "max_batch", "warm_pool", "reason"}, where);
  Target out;
  out.replicas =
      whole_number<int>(entry, "replicas", 0, kMostReplicas, where).value_or(model.wanted_replicas);
  out.max_batch = whole_number<int>(entry, "max_batch", 1, kMostReplicas, where);
  out.warm_pool = whole_number<int>(entry, "warm_pool", 0, kMostReplicas, where);
  if (const auto it = entry.find("cpu_limit"); it != entry.end() && !it->is_null()) {
    if (!it->is_number() || !std::isfinite(it->get<double>()) || it->get<double>() <= 0.0) {
      throw std::invalid_argument(where + ".cpu_limit: expected CPUs above 0, got " + it->dump());
    }
    out.cpu_limit = it->get<double>();
  }
  if (const auto it = entry.find("reason"); it != entry.end()) {
    if (!it->is_string()) throw std::invalid_argument(where + ".reason: expected a text");
    out.reason = it->get<std::string>();
  }
  out.rule = Rule::Program;
  if (out.reason.empty()) out.reason = "the program gave no reason";
  return out;
}

DecisionLine read_decision(const nlohmann::json& json, const Observation& seen) {
  allow_only(json, {"sequence", "models"}, "decision");
  DecisionLine out;
  const auto sequence =
      whole_number<std::int64_t>(json, "sequence", 0, std::int64_t{1} << 53, "decision");
  if (!sequence) throw std::invalid_argument("decision: \"sequence\" is missing");
  out.sequence = static_cast<std::uint64_t>(*sequence);
  for (const auto& model : seen.models) {
    Target held;
    held.replicas = model.wanted_replicas;
    held.rule = Rule::Program;
    held.reason = "hold: the program's decision does not name this model";
    out.targets.push_back(std::move(held));
  }
  const auto models = json.find("models");
  if (models == json.end() || !models->is_array()) {
    throw std::invalid_argument("decision: \"models\" must be a list");
  }
  for (const auto& entry : *models) {
    const std::string name = entry.is_object() ? entry.value("model", "") : "";
    const auto it = std::find_if(seen.models.begin(), seen.models.end(),
                                 [&](const ModelView& m) { return m.model == name; });
    if (it == seen.models.end()) {
      throw std::invalid_argument("models: \"" + name + "\" is no model of the observation");
    }
    out.targets[static_cast<std::size_t>(it - seen.models.begin())] = read_target(entry, *it);
  }
  return out;
}

}  // namespace

std::string observation_line(const Observation& seen, const std::vector<MetricSpec>& metrics,
                             std::uint64_t sequence) {
  Json out = {{"version", kObservationVersion},
              {"sequence", sequence},
              {"now_s", to_seconds(seen.now.time_since_epoch())}};
  Json models = Json::array();
  for (const auto& model : seen.models) models.push_back(model_json(seen.now, model, metrics));
  out["models"] = std::move(models);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<DecisionLine> parse_decision(std::string_view line, const Observation& seen) {
  std::string why;
  try {
    return read_decision(nlohmann::json::parse(line), seen);
  } catch (const nlohmann::json::exception& error) {
    why = error.what();
  } catch (const std::invalid_argument& error) {
    why = error.what();
  }
  return Error{ErrorCode::InvalidArgument,
               fmt::format("not a decision: {}; the line was: {}{}", why, line.substr(0, kQuoted),
                           line.size() > kQuoted ? "…" : "")};
}

}  // namespace spate::scaling
