// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/profile_assembly.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/base/check.h"
#include "spate/base/number_text.h"
#include "spate/lab/saturated_calls.h"
#include "spate/sim/core_shares.h"
#include "spate/sim/machine_profile.h"

namespace spate::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kSeed = 1;  // of predictions
constexpr int kPredicted = 4000;    // calls
constexpr Duration kFollowFrom = std::chrono::milliseconds(-600);
constexpr Duration kFollowSettled = std::chrono::milliseconds(300);
constexpr Duration kFollowLongest = std::chrono::milliseconds(500);
constexpr double kFollowLeast = 0.2;     // CPUs between the two rates
constexpr double kCheckTolerance = 0.1;  // of the measured mean; quiet machines stay below 0.02
constexpr double kCheckedFromMs = 5.0;
// Rests of twice this were measured (profile_measure.cc); what is longer than this is nearer to
// them than to calls without a rest.
constexpr double kRestedFromMs = 10.0;

double mean_ms(const std::vector<Duration>& values) {
  double sum = 0.0;
  for (const Duration v : values) sum += to_ms(v);
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

double quantile_ms(std::vector<Duration> values, double q) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  return to_ms(
      values[static_cast<std::size_t>(std::llround(q * static_cast<double>(values.size() - 1)))]);
}

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

Json law_json(const std::vector<Duration>& values) {
  return Json::parse(sim::Law::measured(values).to_json_text());
}

template <class Samples, class Field>
std::vector<Duration> column(const Samples& samples, Field field) {
  std::vector<Duration> out;
  for (const auto& s : samples) out.push_back(field(s));
  return out;
}

std::vector<Duration> cpu_of(const CallSamples& s) {
  return column(s.calls, [](const BenchCall& c) { return c.cpu; });
}
// The time that each of its threads was taken up.
std::vector<Duration> thread_time_of(const CallSamples& s) {
  return column(s.calls, [&](const BenchCall& c) { return c.service * s.threads; });
}
std::vector<Duration> round_trips_of(const CallSamples& s) {
  return column(s.calls, [](const BenchCall& c) { return c.round_trip; });
}

sim::ServiceLaws laws_of(const std::vector<CallSamples>& calls) {
  sim::ServiceLaws out;
  for (const CallSamples& s : calls)
    out.entries.push_back({s.batch, sim::Law::measured(cpu_of(s))});
  std::sort(out.entries.begin(), out.entries.end(),
            [](const auto& a, const auto& b) { return a.batch < b.batch; });
  return out;
}

Json spread(const std::vector<Duration>& values) {
  Json out{{"mean_ms", rounded(mean_ms(values))}};
  for (const int percent : {10, 50, 90, 99}) {
    out[fmt::format("p{}_ms", percent)] = rounded(quantile_ms(values, percent / 100.0));
  }
  return out;
}

// What was measured under a limit, and what the simulator makes of the calibration there.
Json check_json(const CallSamples& s, const sim::ServiceLaws& laws, const ProfileSamples& all) {
  const std::vector<Duration> seen = round_trips_of(s);
  Json out{{"cpus", s.cpus},
           {"batch", s.batch},
           {"calls", seen.size()},
           {"measured", spread(seen)},
           {"cpu_mean_ms", rounded(mean_ms(cpu_of(s)))}};
  // The simulator limits by CFS quotas only.
  if (!all.limit_mechanism.starts_with("cgroup")) return out;
  const auto said = saturated_calls(laws, s.batch, s.cpus, all.cfs_period, kSeed, kPredicted);
  out["predicted"] = spread(said);
  out["mean_error_ratio"] = rounded(mean_ms(said) / std::max(1e-9, mean_ms(seen)) - 1.0);
  out["p90_error_ratio"] =
      rounded(quantile_ms(said, 0.9) / std::max(1e-9, quantile_ms(seen, 0.9)) - 1.0);
  return out;
}

// Calls under a limit that the simulator does not reproduce: the machine was disturbed while they
// were measured, or is not as the simulator takes it. Quicker calls are left out: what they take
// is mostly waking up, which their CPU time does not tell.
void warn_of_checks(const std::string& model, const Json& checks, std::vector<std::string>& out) {
  for (const Json& check : checks) {
    if (!check.contains("predicted")) continue;
    const double seen = check["measured"]["mean_ms"].get<double>();
    const double error = check["mean_error_ratio"].get<double>();
    if (seen < kCheckedFromMs || std::abs(error) <= kCheckTolerance) continue;
    out.push_back(
        fmt::format("{} at {:g} CPU: {:.4g} ms measured, {:.4g} simulated ({} %): "
                    "the machine was disturbed, or differs from what is simulated; "
                    "measure again",
                    model, check["cpus"].get<double>(), seen,
                    check["predicted"]["mean_ms"].get<double>(), signed_text(100.0 * error, 1)));
  }
}

// `busy`: loading is the CPU time it took, as the simulator lets it compete for CPUs; on an idle
// machine it is the time that passed, reading included.
Json start_json(const std::vector<StartSample>& starts, bool busy) {
  return {{"spawn", law_json(column(starts, [](const auto& s) { return s.spawn; }))},
          {"to_main", law_json(column(starts, [](const auto& s) { return s.to_main; }))},
          {"load_cpu",
           law_json(column(starts, [&](const auto& s) { return busy ? s.load_cpu : s.load; }))}};
}

Json start_measured(const std::vector<StartSample>& starts) {
  Json out{{"starts", starts.size()}};
  const auto add = [&](const char* name, auto field) {
    const auto values = column(starts, field);
    out[name] = {{"p50", rounded(quantile_ms(values, 0.5))},
                 {"max", rounded(quantile_ms(values, 1.0))}};
  };
  add("spawn_ms", [](const auto& s) { return s.spawn; });
  add("to_main_ms", [](const auto& s) { return s.to_main; });
  add("load_ms", [](const auto& s) { return s.load; });
  add("load_cpu_ms", [](const auto& s) { return s.load_cpu; });
  add("first_call_ms", [](const auto& s) { return s.first_call; });
  add("first_answer_ms", [](const auto& s) { return s.spawn + s.to_main + s.load + s.first_call; });
  return out;
}

Json model_json(const ModelSamples& m, const ProfileSamples& all) {
  SPATE_CHECK(!m.calls.empty() && !m.idle.empty(), "calls and starts of a model");
  Json out{{"variant", m.variant}, {"memory_bytes", Json::object()}};
  Json counts = Json::object(), wall = Json::object();
  for (const CallSamples& s : m.calls) {
    const std::string batch = std::to_string(s.batch);
    out["call_cpu"][batch] = law_json(cpu_of(s));
    out["memory_bytes"][batch] = std::round(s.memory_bytes);
    counts[batch] = s.calls.size();
    wall[batch] = rounded(mean_ms(column(s.calls, [](const auto& c) { return c.service; })));
  }
  for (const CallSamples& s : m.threads) {
    out["call_cpu_threads"][std::to_string(s.batch)] = law_json(thread_time_of(s));
  }
  if (!m.rested.calls.empty()) {
    out["call_cpu_rested"] = {{"after_ms", kRestedFromMs}, {"law", law_json(cpu_of(m.rested))}};
  }
  out["start"] = start_json(m.idle, false);
  if (!m.busy.empty()) out["start_busy"] = start_json(m.busy, true);
  const sim::ServiceLaws laws = laws_of(m.calls);
  Json checks = Json::array();
  for (const CallSamples& s : m.checks) checks.push_back(check_json(s, laws, all));
  out["checks"] = checks;
  Json measured{{"version", m.version},
                {"calls", counts},
                {"call_wall_mean_ms", wall},
                {"start", start_measured(m.idle)}};
  if (!m.threads.empty()) measured["threads"] = m.threads.front().threads;
  if (!m.busy.empty()) {
    Json busy = start_measured(m.busy);
    const double share = sim::core_shares(1.0, m.busy_threads, all.cores).loading;
    const double said = mean_ms(column(m.busy, [](const auto& s) { return s.load_cpu; })) / share;
    const double seen = mean_ms(column(m.busy, [](const auto& s) { return s.load; }));
    busy["busy_threads"] = m.busy_threads;
    busy["load_predicted_mean_ms"] = rounded(said);
    busy["load_mean_ms"] = rounded(seen);
    busy["load_error_ratio"] = rounded(said / std::max(1e-9, seen) - 1.0);
    measured["start_busy"] = busy;
  }
  out["measured"] = measured;
  return out;
}

Json limits_json(const ProfileSamples& all) {
  std::vector<Duration> in_force;
  std::vector<Duration> followed;
  for (const FollowSample& s : all.follows) {
    in_force.push_back(s.in_force);
    if (const auto delay = follow_delay(s)) followed.push_back(*delay);
  }
  if (in_force.empty()) in_force.push_back(Duration{0});
  Json out{{"mechanism", all.limit_mechanism},
           {"period_ms", to_ms(all.cfs_period)},
           {"delay", law_json(in_force)}};
  Json measured{{"changes", all.follows.size()}, {"model", all.followed_model}};
  if (!followed.empty()) measured["followed"] = spread(followed);
  if (!all.limit_note.empty()) measured["note"] = all.limit_note;
  out["measured"] = measured;
  return out;
}

// The spawn that a bench saw is part of what a strategy's order took.
Json control_json(const ProfileSamples& all) {
  const TransportSamples& t = all.transport;
  const auto model = std::find_if(all.models.begin(), all.models.end(),
                                  [&](const auto& m) { return m.name == t.model; });
  if (t.decision_to_process.empty() || model == all.models.end()) return Json();
  const double spawn = quantile_ms(column(model->idle, [](const auto& s) { return s.spawn; }), 0.5);
  std::vector<Duration> decide;
  for (const Duration d : t.decision_to_process) {
    decide.push_back(from_ms(std::max(0.0, to_ms(d) - spawn)));
  }
  return {{"decide", law_json(decide)},
          {"measured",
           {{"decisions", decide.size()},
            {"decision_to_process_p50_ms", rounded(quantile_ms(t.decision_to_process, 0.5))}}}};
}

// A share of what a latency has beyond a call of so long, as a law of `steps` + 1 quantiles.
Json beyond_json(const Histogram& latency, double call_ms, double share, int steps) {
  const auto beyond = [&](double ms) { return rounded(share * std::max(0.0, ms - call_ms)); };
  Json points = Json::array();
  for (int i = 0; i <= steps; ++i) {
    points.push_back(beyond(to_ms(latency.quantile(i / static_cast<double>(steps)))));
  }
  return {{"mean_ms", beyond(latency.mean_s() * 1e3)}, {"quantiles_ms", points}};
}

Json transport_json(const ProfileSamples& all) {
  const TransportSamples& t = all.transport;
  double call_ms = 0.0;
  double rested_ms = 0.0;  // the loaded runs' requests come 10 ms after each other and more
  for (const ModelSamples& m : all.models) {
    if (m.name != t.model) continue;
    call_ms = mean_ms(cpu_of(m.calls.front()));
    rested_ms = m.rested.calls.empty() ? call_ms : mean_ms(cpu_of(m.rested));
  }
  // All that a request's latency has beyond the call, a half each way.
  const Json law = beyond_json(t.latency, call_ms, 0.5, 20);
  Json by_load = Json::array();
  for (const auto& at : t.loaded) {
    by_load.push_back({{"busy_ratio", at.busy_ratio},
                       {"requests", at.latency.count()},
                       {"law", beyond_json(at.latency, rested_ms, 1.0, 200)}});
  }
  const double rates = t.high_per_s - t.low_per_s;
  const double slope = rates > 0.0 ? std::max(0.0, t.high_cpus - t.low_cpus) / rates : 0.0;
  return {{"to_gateway", law},
          {"from_gateway", law},
          {"by_load", by_load},
          {"message_cpu_ms", rounded(slope * 1e3)},
          {"idle_cpus", rounded(std::max(0.0, t.low_cpus - slope * t.low_per_s))},
          {"measured",
           {{"model", t.model},
            {"requests", t.latency.count()},
            {"latency_mean_ms", rounded(t.latency.mean_s() * 1e3)},
            {"latency_p99_ms", rounded(to_ms(t.latency.quantile(0.99)))},
            {"call_mean_ms", rounded(call_ms)},
            {"high_per_s", rounded(t.high_per_s)},
            {"high_cpus", rounded(t.high_cpus)},
            {"low_per_s", rounded(t.low_per_s)},
            {"low_cpus", rounded(t.low_cpus)}}}};
}

}  // namespace

std::optional<Duration> follow_delay(const FollowSample& sample) {
  using Reading = FollowSample::Reading;
  const auto& all = sample.readings;
  const auto rate = [&](Duration from, Duration until) -> std::optional<double> {
    const Reading* first = nullptr;
    const Reading* last = nullptr;
    for (const Reading& r : all) {
      if (r.since_order < from || r.since_order > until) continue;
      if (first == nullptr) first = &r;
      last = &r;
    }
    if (first == last) return std::nullopt;
    return to_seconds(last->cpu - first->cpu) / to_seconds(last->since_order - first->since_order);
  };
  const auto before = rate(kFollowFrom, Duration{0});
  const auto after = rate(kFollowSettled, Duration::max());
  if (!before || !after || std::abs(*before - *after) < kFollowLeast) return std::nullopt;
  const auto start = std::find_if(all.begin(), all.end(),
                                  [](const Reading& r) { return r.since_order >= Duration{0}; });
  Duration best{0};
  double least = std::numeric_limits<double>::infinity();
  for (Duration corner{0}; corner <= kFollowLongest; corner += std::chrono::milliseconds(1)) {
    double error = 0.0;
    for (auto r = start; r != all.end(); ++r) {
      const Duration x = r->since_order;
      const double fit = *before * to_seconds(std::min(x, corner)) +
                         *after * to_seconds(std::max(Duration{0}, x - corner));
      const double off = to_seconds(r->cpu - start->cpu) - fit;
      error += off * off;
    }
    if (error >= least) continue;
    least = error;
    best = corner;
  }
  return best;
}

Json assemble_profile(const ProfileSamples& samples) {
  SPATE_CHECK(!samples.models.empty(), "a model");
  Json out{{"schema", sim::kMachineProfileSchema},
           {"spate", samples.spate},
           {"measured_unix_s", std::round(samples.measured_unix_s)},
           {"machine", samples.machine},
           {"canary", samples.canary},
           {"warnings", samples.warnings},
           {"cores", samples.cores},
           {"limits", limits_json(samples)},
           {"transport", transport_json(samples)}};
  if (Json control = control_json(samples); !control.is_null()) out["control"] = control;
  std::vector<std::string> warnings = samples.warnings;
  for (const ModelSamples& m : samples.models) {
    const Json& model = out["models"][m.name] = model_json(m, samples);
    warn_of_checks(m.name, model["checks"], warnings);
  }
  out["warnings"] = warnings;  // in its place, above
  return out;
}

}  // namespace spate::lab
