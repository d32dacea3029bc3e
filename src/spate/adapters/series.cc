// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/series.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace spate::adapters {
namespace {

using Json = nlohmann::ordered_json;
using gateway::Outcome;

double rounded(double x) { return std::round(x * 1e4) / 1e4; }

std::uint64_t ended(const gateway::RouteStats& stats, Outcome outcome) {
  return stats.ended[static_cast<std::size_t>(outcome)];
}

}  // namespace

Json Series::model_json(const gateway::RouteStats& stats, const scaling::ModelStatus& status) {
  Json rejected = Json::object();
  for (const Outcome outcome : {Outcome::BadInput, Outcome::UnknownModel, Outcome::Overloaded,
                                Outcome::ModelFailed, Outcome::ShuttingDown}) {
    if (ended(stats, outcome) > 0) {
      rejected[std::string(gateway::to_string(outcome))] = ended(stats, outcome);
    }
  }
  Histogram& before = latency_[status.model];
  const Histogram second = stats.latency.since(before);
  before = stats.latency;
  const auto quantile = [&](double q) -> Json {
    return second.count() > 0 ? Json(rounded(to_ms(second.quantile(q)))) : Json();
  };
  return {{"arrived", stats.arrived},
          {"answered", ended(stats, Outcome::Answered)},
          {"rejected", std::move(rejected)},
          {"expired", ended(stats, Outcome::Expired)},
          {"redispatched", stats.redispatched},
          {"queue", stats.queue_length},
          {"in_flight", stats.in_flight},
          {"oldest_ms", rounded(to_ms(stats.oldest_age))},
          {"p50_ms", quantile(0.5)},
          {"p99_ms", quantile(0.99)},
          {"wanted", status.wanted},
          {"ready", status.ready},
          {"starting", status.starting},
          {"draining", status.draining},
          {"parked", status.parked},
          {"warm_pool", status.warm_pool},
          {"cpu_limit", rounded(status.cpu_limit)},
          {"cpu_reserved", rounded(status.cpu_reserved)}};
}

Json Series::component_json(TimePoint now, const ComponentReading& reading) {
  Before& before = components_[reading.component + "/" + reading.replica];
  const double span_s = to_seconds(now - before.at);
  const double used = reading.cpu_seconds - before.reading.cpu_seconds;
  const std::uint64_t periods = reading.cfs_periods - before.reading.cfs_periods;
  // A component that restarted counts from zero again.
  const bool continues = before.at != TimePoint{} && used >= 0.0 && span_s > 0.0 &&
                         reading.cfs_periods >= before.reading.cfs_periods;
  Json out = {{"component", reading.component}};
  if (!reading.model.empty()) out["model"] = reading.model;
  if (!reading.replica.empty()) out["replica"] = reading.replica;
  out["cpu_cores"] = continues ? rounded(used / span_s) : 0.0;
  out["memory_bytes"] = reading.memory_bytes;
  out["private_bytes"] = reading.private_bytes;
  out["throttled_ratio"] = continues && periods > 0
                               ? rounded(static_cast<double>(reading.cfs_throttled_periods -
                                                             before.reading.cfs_throttled_periods) /
                                         static_cast<double>(periods))
                               : 0.0;
  before = {now, reading};
  return out;
}

Json Series::line(TimePoint now, double unix_s, const gateway::Control& control,
                  const std::vector<scaling::ModelStatus>& models,
                  const std::vector<ComponentReading>& components) {
  Json out = {{"unix_s", std::round(unix_s * 1e3) / 1e3}};
  out["models"] = Json::object();
  for (const auto& status : models) {
    out["models"][status.model] = model_json(control.stats(status.model), status);
  }
  out["components"] = Json::array();
  for (const auto& reading : components) out["components"].push_back(component_json(now, reading));
  // Those that were not read this time are gone.
  std::erase_if(components_, [&](const auto& entry) { return entry.second.at != now; });
  return out;
}

}  // namespace spate::adapters
