// SPDX-License-Identifier: Apache-2.0
//
// The page's data: what summary.json has, plus each run's series.
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "spate/lab/cost.h"
#include "spate/lab/run_files.h"
#include "spate/report/report.h"

namespace spate::report {
namespace {

using Json = nlohmann::json;
using lab::RunFiles;

constexpr double kMarginS = 3.0;  // shown before and after the measured window

// Three digits are enough for a chart, and a third of the bytes.
Json rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == 0.0) return 0;
  const double size = std::pow(10.0, std::floor(std::log10(std::abs(value))) - 3.0);
  const double r = std::round(value / size) * size;
  if (std::abs(r) < 1e15 && r == std::round(r)) return static_cast<std::int64_t>(r);
  // Through text, for the shortest form of the rounded number.
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return std::strtod(text, nullptr);
}

Json member(const Json& object, const std::string& key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() ? Json() : *at;
}

bool shown(const RunFiles& files, double unix_s) {
  return unix_s >= files.measured_from - kMarginS && unix_s <= files.measured_until + kMarginS;
}

Json influx_series(const RunFiles& files, const std::string& model) {
  Json t = Json::array(), offered = t, answered = t, in_time = t, p50 = t, p99 = t;
  const auto at = files.influx.find(model);
  if (at != files.influx.end()) {
    for (const auto& s : at->second) {
      t.push_back(rounded(s.t_s));
      offered.push_back(rounded(s.planned));
      answered.push_back(rounded(s.answered));
      in_time.push_back(rounded(s.in_time));
      // No answer, no latency: a gap in the line, not a zero.
      p50.push_back(s.answered > 0.0 ? rounded(s.p50_ms) : Json());
      p99.push_back(s.answered > 0.0 ? rounded(s.p99_ms) : Json());
    }
  }
  return {{"t", t},     {"offered", offered}, {"answered", answered}, {"in_time", in_time},
          {"p50", p50}, {"p99", p99}};
}

// Mean CPUs reserved between each sample and the one before it; nothing where the events do not
// tell it.
std::vector<double> reserved_means(const RunFiles& files, const std::string& model,
                                   const std::vector<lab::GatewaySample>& samples) {
  if (samples.empty() || !lab::has_every_event(files)) return {};
  const auto timelines = lab::replica_timelines(files, model, lab::cpu_terms(files, model));
  if (timelines.empty()) return {};
  // The first sample is as long as the second.
  const double first = samples.front().unix_s;
  std::vector<double> times = {first - (samples.size() > 1 ? samples[1].unix_s - first : 1.0)};
  for (const auto& s : samples) times.push_back(s.unix_s);
  return lab::mean_reserved(timelines, times);
}

Json gateway_series(const RunFiles& files, const std::string& model) {
  Json t = Json::array(), queue = t, in_flight = t, ready = t, existing = t, limit = t,
       reserved = t, used = t, parked = t;
  bool pool = false;
  bool means = false;
  const auto at = files.gateway.find(model);
  if (at != files.gateway.end()) {
    const auto& samples = at->second;
    const auto mean = reserved_means(files, model, samples);
    means = !mean.empty();
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto& s = samples[i];
      if (!shown(files, s.unix_s)) continue;
      t.push_back(rounded(s.unix_s - files.measured_from));
      queue.push_back(rounded(s.queue));
      in_flight.push_back(rounded(s.in_flight));
      ready.push_back(rounded(s.ready));
      existing.push_back(rounded(s.ready + s.starting + s.draining));
      limit.push_back(rounded(s.cpu_limit));
      reserved.push_back(rounded(means ? mean[i] : s.cpu_reserved));
      used.push_back(rounded(s.cpu_cores));
      parked.push_back(rounded(s.parked));
      pool = pool || s.parked > 0.0;
    }
  }
  // Only with a warm pool: most runs have none.
  if (!pool) parked = Json::array();
  return {{"t", t},         {"parked", parked},
          {"queue", queue}, {"in_flight", in_flight},
          {"ready", ready}, {"existing", existing},
          {"limit", limit}, {"reserved", reserved},
          {"used", used},   {"reserved_from", means ? "events" : "samples"}};
}

// CPU and memory by component; a model's workers together, as replicas come and go.
Json component_series(const RunFiles& files) {
  struct Point {
    double cpu = 0.0;
    double memory = 0.0;
  };
  std::map<std::string, std::map<double, Point>> sums;
  for (const auto& series : files.components) {
    const std::string name =
        series.component == "worker" ? "workers: " + series.model : series.component;
    for (const auto& s : series.samples) {
      if (!shown(files, s.unix_s)) continue;
      Point& p = sums[name][s.unix_s];
      p.cpu += s.cpu_cores;
      p.memory += s.memory_bytes;
    }
  }
  Json out = Json::array();
  for (const auto& [name, points] : sums) {
    Json t = Json::array(), cpu = t, memory = t;
    for (const auto& [unix_s, p] : points) {
      t.push_back(rounded(unix_s - files.measured_from));
      cpu.push_back(rounded(p.cpu));
      memory.push_back(rounded(p.memory / (1024.0 * 1024.0)));
    }
    out.push_back({{"name", name}, {"t", t}, {"cpu", cpu}, {"memory_mib", memory}});
  }
  return out;
}

// Decisions that changed something or were clipped; a strategy that holds says so every second.
Json decision_list(const RunFiles& files) {
  Json out = Json::array();
  for (const Json& line : files.decisions) {
    const double unix_s = lab::number_of(line, "unix_s");
    if (line.contains("event") || !shown(files, unix_s)) continue;
    const Json from = member(line, "from");
    const Json to = member(line, "to");
    const double replicas = lab::number_of(to, "replicas");
    const double limit = lab::number_of(to, "cpu_limit");
    if (lab::number_of(from, "replicas") == replicas &&
        lab::number_of(from, "cpu_limit") == limit) {
      continue;
    }
    const double change = (replicas - lab::number_of(from, "replicas")) * 1e3 +
                          (limit - lab::number_of(from, "cpu_limit"));
    out.push_back({{"t", rounded(unix_s - files.measured_from)},
                   {"model", lab::text_of(line, "model")},
                   {"up", change > 0.0},
                   {"from", {lab::number_of(from, "replicas"), lab::number_of(from, "cpu_limit")}},
                   {"to", {replicas, limit}},
                   {"reason", lab::text_of(line, "reason")},
                   {"clipped_by", lab::text_of(line, "clipped_by")}});
  }
  return out;
}

Json model_list(const RunFiles& files) {
  Json out = Json::array();
  for (const Json& name : member(files.scenario, "model_order")) {
    const Json settings = member(member(files.scenario, "models"), name.get<std::string>());
    const Json demand = member(settings, "demand");
    out.push_back({{"name", name},
                   {"scaled", member(settings, "scaled")},
                   {"slo", member(settings, "slo")},
                   {"mode", member(settings, "mode")},
                   {"cpu_request", member(settings, "cpu_request")},
                   {"cpu_limit", member(settings, "cpu_limit")},
                   {"bounds", member(settings, "bounds")},
                   {"replicas", member(settings, "replicas")},
                   {"demand", member(demand, "description")},
                   {"phases", member(demand, "phases")},
                   {"surges", member(demand, "surges")},
                   {"capacity", member(demand, "capacity")},
                   {"manifest", member(settings, "manifest")}});
  }
  return out;
}

}  // namespace

Json series_data(const RunFiles& files, const std::string& model) {
  return {{"influx", influx_series(files, model)}, {"gateway", gateway_series(files, model)}};
}

Json report_data(const lab::Summary& summary) {
  Json out = summary.json;
  out["models"] = model_list(summary.files.front());
  for (std::size_t i = 0; i < summary.files.size(); ++i) {
    const RunFiles& files = summary.files[i];
    Json& run = out["runs"][i];
    Json series = Json::object();
    for (const Json& name : member(files.scenario, "model_order")) {
      const auto model = name.get<std::string>();
      series[model] = series_data(files, model);
    }
    run["series"] = std::move(series);
    run["components"] = component_series(files);
    run["changes"] = decision_list(files);
    run["canary"] = member(files.run, "canary");
    run["options"] = member(files.run, "options");
    run["started_unix_s"] = member(files.run, "started_unix_s");
  }
  return out;
}

}  // namespace spate::report
