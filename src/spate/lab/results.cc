// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/base/histogram.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

void add_counts(std::map<std::string, double>& to, const std::map<std::string, double>& from) {
  for (const auto& [reason, count] : from) to[reason] += count;
}

// Counts from influx's per-second lines: what there is when the run was cut short.
void counts_from_series(const std::vector<InfluxSample>& samples, ModelResult& out) {
  double weight = 0.0;
  for (const auto& s : samples) {
    out.asked += s.planned;
    out.sent += s.sent;
    out.answered += s.answered;
    out.in_time += s.in_time;
    out.wrong += s.wrong;
    out.correct += s.correct;
    out.expired += s.expired;
    out.lost += s.lost;
    out.duplicate += s.duplicate;
    add_counts(out.rejected, s.rejected);
    weight += s.answered;
  }
  if (weight > 0.0 && out.answered > 0.0) out.accuracy = out.correct / out.answered;
}

void counts_from_summary(const Json& m, ModelResult& out) {
  out.sent = number_of(m, "sent");
  out.asked = m.contains("planned") ? number_of(m, "planned") : out.sent;
  out.answered = number_of(m, "answered");
  out.in_time = number_of(m, "in_time");
  out.wrong = number_of(m, "wrong");
  out.correct = number_of(m, "correct");
  out.expired = number_of(m, "expired");
  out.lost = number_of(m, "lost");
  out.duplicate = number_of(m, "duplicate");
  for (const auto& [reason, count] : child(m, "rejected").items()) {
    if (count.is_number()) out.rejected[reason] = count.get<double>();
  }
  if (const auto& accuracy = child(m, "accuracy"); accuracy.is_number()) {
    out.accuracy = accuracy.get<double>();
  } else if (out.answered > 0.0 && m.contains("correct")) {
    out.accuracy = out.correct / out.answered;
  }
  if (const auto& p50 = child(m, "p50_ms"); p50.is_number()) out.p50_ms = p50.get<double>();
  if (const auto& p99 = child(m, "p99_ms"); p99.is_number()) out.p99_ms = p99.get<double>();
}

void judge_surges(const Json& scenario_model, const std::vector<InfluxSample>& samples,
                  double measured_s, ModelResult& out) {
  double asked = 0.0;
  double in_time = 0.0;
  for (const Json& entry : child(child(scenario_model, "demand"), "surges")) {
    Surge surge{number_of(entry, "from_s"), number_of(entry, "until_s"),
                number_of(entry, "rate_per_s")};
    surge.until_s = std::min(surge.until_s, measured_s);
    if (surge.from_s >= surge.until_s) continue;
    SurgeResult result = judge_surge(surge, samples, out.slo_target);
    asked += result.asked_after;
    in_time += result.in_time_after;
    if (!result.recovery_s && result.asked > 0.0) out.recovered = false;
    if (result.recovery_s) {
      out.recovery_s = std::max(out.recovery_s.value_or(0.0), *result.recovery_s);
    }
    out.surges.push_back(std::move(result));
  }
  if (!out.recovered) out.recovery_s.reset();
  if (asked > 0.0) out.attainment_after_surge = in_time / asked;
}

void find_worst_second(const std::vector<InfluxSample>& samples, ModelResult& out) {
  for (const auto& s : samples) {
    if (s.planned <= 0.0) continue;
    const double attainment = s.in_time / s.planned;
    // Of equals the one with more requests says more.
    if (!out.worst_second || attainment < out.worst_second->attainment ||
        (attainment == out.worst_second->attainment && s.planned > out.worst_second->asked)) {
      out.worst_second = WorstSecond{s.t_s, s.planned, attainment};
    }
  }
}

void measure_supply(const RunFiles& files, ModelResult& out) {
  const auto series = files.gateway.find(out.model);
  const double span = files.measured_until - files.measured_from;
  if (series == files.gateway.end() || span <= 0.0) return;
  std::vector<Step> existing;
  std::vector<Step> ready;
  std::vector<Step> limit;
  for (const auto& s : series->second) {
    const double all = s.ready + s.starting + s.draining;
    existing.push_back({s.unix_s, all});
    ready.push_back({s.unix_s, s.ready});
    limit.push_back({s.unix_s, s.cpu_limit});
    if (s.unix_s >= files.measured_from && s.unix_s < files.measured_until) {
      out.max_replicas = std::max(out.max_replicas, all);
    }
  }
  out.mean_replicas = integrate(existing, files.measured_from, files.measured_until) / span;
  out.mean_ready = integrate(ready, files.measured_from, files.measured_until) / span;
  out.mean_cpu_limit = integrate(limit, files.measured_from, files.measured_until) / span;
}

void count_decision(const Json& line, DecisionCounts& out) {
  const Json& from = child(line, "from");
  const Json& to = child(line, "to");
  // Replicas say more than their limit, and both more than the warm pool.
  const auto size = [](const Json& c) {
    return number_of(c, "replicas") * 1e3 + number_of(c, "cpu_limit") +
           number_of(c, "warm_pool") * 1e-6;
  };
  const double before = size(from);
  const double after = size(to);
  if (after > before) {
    ++out.up;
  } else if (after < before) {
    ++out.down;
  } else {
    ++out.hold;
  }
  const Json& clipped = child(line, "clipped_by");
  if (clipped.is_string() && !clipped.get<std::string>().empty()) ++out.clipped;
}

void read_decisions(const RunFiles& files, ModelResult& out) {
  std::map<std::string, std::size_t> index;
  for (const Json& line : files.decisions) {
    if (text_of(line, "model") != out.model) continue;
    const std::string event = text_of(line, "event");
    const double at = number_of(line, "unix_s");
    if (event.empty()) {
      if (at >= files.measured_from && at < files.measured_until) {
        count_decision(line, out.decisions);
      }
      continue;
    }
    const std::string replica = text_of(line, "replica");
    // An engine may say that it has started a replica after that one has said that it is ready.
    const bool begins =
        event == "replica_started" || (event == "ready" && line.contains("after_ms"));
    if (begins && index.emplace(replica, out.starts.size()).second) {
      out.starts.push_back({.replica = replica,
                            .from_pool = false,
                            .unix_s = at,
                            .after_ms = number_of(line, "after_ms"),
                            .ready_ms = {},
                            .first_answer_ms = {},
                            .limit_applied_ms = {},
                            .phases = nullptr});
    }
    if (event == "unparked" && line.contains("after_ms")) {
      // From now on what happens to it belongs to this start. Unparked, it is ready.
      index[replica] = out.starts.size();
      out.starts.push_back({.replica = replica,
                            .from_pool = true,
                            .unix_s = at,
                            .after_ms = number_of(line, "after_ms"),
                            .ready_ms = number_of(line, "after_ms"),
                            .first_answer_ms = {},
                            .limit_applied_ms = {},
                            .phases = nullptr});
      continue;
    }
    const auto known = index.find(replica);
    if (known == index.end()) continue;
    ReplicaStart& start = out.starts[known->second];
    const auto set_once = [&](std::optional<double>& field) {
      if (field) return;
      field = line.contains("after_ms") && line["after_ms"].is_number()
                  ? number_of(line, "after_ms")
                  : (at - start.unix_s) * 1000.0 + start.after_ms;
    };
    if (line.contains("phases")) {
      if (start.phases.is_null()) start.phases = Json::object();
      start.phases.update(line["phases"]);
    }
    if (event == "ready") {
      set_once(start.ready_ms);
    } else if (event == "first_answer") {
      set_once(start.first_answer_ms);
    } else if (event == "limit_applied") {
      set_once(start.limit_applied_ms);
    }
  }
}

double mean_start_s(const std::vector<ReplicaStart>& starts) {
  double sum_ms = 0.0;
  int count = 0;
  for (const auto& s : starts) {
    if (!s.ready_ms) continue;
    sum_ms += *s.ready_ms;
    ++count;
  }
  return count > 0 ? sum_ms / 1000.0 / count : 0.0;
}

// A simulated run has exact totals, which the records of a long one do not give.
void use_totals(const RunFiles& files, const Prices& prices, ModelResult& out) {
  const Json& simulated = child(files.run, "simulated");
  const Json& totals = child(child(simulated, "totals"), out.model.c_str());
  if (!totals.is_object()) return;
  out.decisions.up = static_cast<int>(number_of(totals, "up"));
  out.decisions.down = static_cast<int>(number_of(totals, "down"));
  out.decisions.hold = static_cast<int>(number_of(totals, "hold"));
  out.decisions.clipped = static_cast<int>(number_of(totals, "clipped"));
  if (!has_every_event(files)) {
    out.cost.cpu_seconds = number_of(totals, "cpu_reserved_s");
    out.cost.from_events = false;
  }
  out.cost.memory_gib_seconds = number_of(totals, "memory_gib_s");
  price(out.cost, prices);
}

ModelResult judge_model(const RunFiles& files, const std::string& name, const Json& settings) {
  ModelResult out;
  out.model = name;
  out.slo_latency_ms = number_of(child(settings, "slo"), "latency_ms");
  out.slo_target = number_of(child(settings, "slo"), "target");
  static const std::vector<InfluxSample> none;
  const auto series = files.influx.find(name);
  const auto& samples = series == files.influx.end() ? none : series->second;
  const Json& summary = child(child(files.influx_summary, "models"), name.c_str());
  if (summary.is_object()) {
    counts_from_summary(summary, out);
  } else {
    counts_from_series(samples, out);
  }
  if (out.asked > 0.0) out.slo_attainment = out.in_time / out.asked;
  judge_surges(settings, samples, files.measured_until - files.measured_from, out);
  find_worst_second(samples, out);
  measure_supply(files, out);
  read_decisions(files, out);
  out.elasticity = elasticity_of_run(files, name, settings, out.surges, mean_start_s(out.starts));

  const Json& priced = child(files.scenario, "prices");
  const Prices prices{number_of(priced, "cpu_per_hour"), number_of(priced, "memory_gib_per_hour"),
                      text_of(priced, "currency")};
  out.cost = cost_of(files, name, cpu_terms(files, name), prices);
  use_totals(files, prices, out);
  out.cost_per_1000_good = per_thousand(out.cost.total, out.in_time);
  return out;
}

void judge_validity(const RunFiles& files, RunResult& out) {
  const auto add = [&](const Json& list) {
    if (!list.is_array()) return;
    for (const Json& reason : list) {
      if (reason.is_string()) out.invalid_reasons.push_back(reason.get<std::string>());
    }
  };
  add(child(files.run, "problems"));
  if (child(files.influx_summary, "valid").is_boolean() &&
      !files.influx_summary["valid"].get<bool>()) {
    const std::size_t before = out.invalid_reasons.size();
    add(child(files.influx_summary, "reasons"));
    if (out.invalid_reasons.size() == before) out.invalid_reasons.push_back("influx: invalid");
  }
  for (const auto& gap : files.gaps) out.invalid_reasons.push_back(gap);
  for (const auto& m : out.models) {
    if (m.sent <= 0.0 && !out.interrupted) {
      out.invalid_reasons.push_back("nothing was sent to " + m.model);
    }
  }
  out.valid = out.invalid_reasons.empty();
}

}  // namespace

RunResult judge_run(const RunFiles& files) {
  RunResult out;
  out.run = files.directory.filename().string();
  out.strategy = text_of(files.run, "strategy");
  out.kind = text_of(files.run, "kind");
  out.repetition = std::max(1, static_cast<int>(number_of(files.run, "repetition")));
  out.gateway_restarts = static_cast<int>(number_of(files.run, "gateway_restarts"));
  out.interrupted = files.run.value("interrupted", false);
  out.limit_mechanism = text_of(files.gateway_state, "limit_mechanism");
  out.duration_s = files.measured_until - files.measured_from;
  const Json& canary = child(files.run, "canary");
  out.disturbed = child(canary, "disturbed").is_boolean() && canary["disturbed"].get<bool>();
  for (const Json& reason : child(canary, "reasons")) {
    if (reason.is_string()) out.disturbances.push_back(reason.get<std::string>());
  }
  double good = 0.0;
  for (const Json& name : child(files.scenario, "model_order")) {
    const std::string model = name.get<std::string>();
    out.models.push_back(
        judge_model(files, model, child(child(files.scenario, "models"), model.c_str())));
    out.cost += out.models.back().cost.total;
    good += out.models.back().in_time;
  }
  out.cost_per_1000_good = per_thousand(out.cost, good);
  judge_validity(files, out);
  return out;
}

}  // namespace spate::lab
