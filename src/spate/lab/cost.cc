// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/cost.h"

#include <algorithm>
#include <map>

namespace spate::lab {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
constexpr double kSecondsPerHour = 3600.0;

struct Interval {
  double from = 0.0;
  double until = 0.0;
};

// When each replica of `model` was parked, within the measured window.
std::map<std::string, std::vector<Interval>> parked_times(const RunFiles& run,
                                                          const std::string& model) {
  std::map<std::string, std::vector<Interval>> out;
  std::map<std::string, double> since;
  const auto end = [&](const std::string& replica, double at) {
    const auto begun = since.find(replica);
    if (begun == since.end()) return;
    const Interval in{std::max(begun->second, run.measured_from), std::min(at, run.measured_until)};
    if (in.until > in.from) out[replica].push_back(in);
    since.erase(begun);
  };
  for (const auto& line : run.decisions) {
    const std::string event = text_of(line, "event");
    if (event.empty() || text_of(line, "model") != model) continue;
    const std::string replica = text_of(line, "replica");
    const double at = number_of(line, "unix_s");
    if (event == "parked") {
      since.try_emplace(replica, at);
    } else if (event == "unparked" || event == "gone" || event == "draining") {
      end(replica, at);
    }
  }
  while (!since.empty()) end(since.begin()->first, run.measured_until);
  return out;
}

void add_parked(const RunFiles& run, const std::string& model, ModelCost& out) {
  for (const auto& [replica, times] : parked_times(run, model)) {
    std::vector<Step> memory;
    for (const auto& series : run.components) {
      if (series.component != "worker" || series.model != model || series.replica != replica) {
        continue;
      }
      for (const auto& s : series.samples) memory.push_back({s.unix_s, s.memory_bytes / kGib});
    }
    for (const Interval& in : times) {
      out.parked_seconds += in.until - in.from;
      out.parked_gib_seconds += integrate(memory, in.from, in.until);
    }
  }
}

}  // namespace

double boost_cpus(double cpu_limit, double machine_cores) {
  const double wanted = std::max(1.0, cpu_limit);
  return machine_cores > 0.0 ? std::min(wanted, std::max(machine_cores, cpu_limit)) : wanted;
}

CpuTerms cpu_terms(const RunFiles& run, const std::string& model) {
  const auto& settings = child(child(run.scenario, "models"), model.c_str());
  const double limit = number_of(settings, "cpu_limit");
  const double cores = number_of(child(run.run, "machine"), "cores");
  return {number_of(settings, "cpu_request"), limit, boost_cpus(limit, cores)};
}

bool has_every_event(const RunFiles& run) {
  return number_of(child(run.run, "simulated"), "records_dropped") == 0.0;
}

double integrate(const std::vector<Step>& steps, double from, double until) {
  if (steps.empty() || until <= from) return 0.0;
  double sum = 0.0;
  double value = steps.front().value;
  double at = from;
  for (const Step& step : steps) {
    const double t = std::clamp(step.unix_s, from, until);
    sum += value * (t - at);
    at = t;
    value = step.value;
  }
  return sum + value * (until - at);
}

std::vector<ReplicaTimeline> replica_timelines(const RunFiles& run, const std::string& model,
                                               const CpuTerms& terms) {
  std::vector<ReplicaTimeline> out;
  std::map<std::string, std::size_t> index;
  double wanted = terms.limit;
  for (const auto& line : run.decisions) {
    if (text_of(line, "model") != model) continue;
    const std::string event = text_of(line, "event");
    const double at = number_of(line, "unix_s");
    if (event.empty()) {
      if (const auto to = line.find("to"); to != line.end() && number_of(*to, "cpu_limit") > 0.0) {
        wanted = number_of(*to, "cpu_limit");
      }
      continue;
    }
    const std::string replica = text_of(line, "replica");
    if (event == "replica_started") {
      if (!index.emplace(replica, out.size()).second) continue;
      out.push_back({replica, at, at, {{at, terms.boost}}});
      continue;
    }
    const auto known = index.find(replica);
    if (known == index.end()) continue;
    ReplicaTimeline& timeline = out[known->second];
    const bool boosted = timeline.reserved.size() == 1;
    if (event == "limit_applied") {
      const double limit = line.contains("cpu_limit") ? number_of(line, "cpu_limit") : wanted;
      // A limit of 0 takes the limit away again: boosted once more.
      timeline.reserved.push_back({at, limit > 0.0 ? std::max(limit, terms.request) : terms.boost});
    } else if (event == "gone" || event == "parked") {
      if (event == "parked") timeline.limit_before_parking = timeline.reserved.back().value;
      timeline.reserved.push_back({at, 0.0});
    } else if (event == "unparked" && timeline.reserved.back().value == 0.0) {
      // It has been reserved since it was decided to wake it.
      const double decided = at - number_of(line, "after_ms") / 1000.0;
      timeline.reserved.push_back(
          {std::max(decided, timeline.reserved.back().unix_s), timeline.limit_before_parking});
    } else {
      continue;
    }
    if (boosted) timeline.boost_until_unix_s = at;
  }
  return out;
}

std::vector<double> mean_reserved(const std::vector<ReplicaTimeline>& timelines,
                                  const std::vector<double>& times) {
  if (times.size() < 2) return {};
  std::vector<double> out(times.size() - 1, 0.0);
  // Adds `value`, which held from `from` until `until`, to the intervals that it reaches into.
  const auto add = [&](double value, double from, double until) {
    if (value == 0.0 || until <= times.front()) return;
    const auto after = std::upper_bound(times.begin(), times.end(), from);
    auto i = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, after - times.begin() - 1));
    for (; i < out.size() && times[i] < until; ++i) {
      out[i] += value * (std::min(until, times[i + 1]) - std::max(from, times[i]));
    }
  };
  for (const auto& t : timelines) {
    for (std::size_t i = 0; i < t.reserved.size(); ++i) {
      const bool last = i + 1 == t.reserved.size();
      add(t.reserved[i].value, t.reserved[i].unix_s,
          last ? times.back() : t.reserved[i + 1].unix_s);
    }
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double span = times[i + 1] - times[i];
    out[i] = span > 0.0 ? out[i] / span : 0.0;
  }
  return out;
}

ModelCost cost_of(const RunFiles& run, const std::string& model, const CpuTerms& terms,
                  const Prices& prices) {
  ModelCost out;
  const double from = run.measured_from;
  const double until = run.measured_until;
  const auto timelines = replica_timelines(run, model, terms);
  out.from_events = !timelines.empty();
  for (const auto& t : timelines) {
    out.cpu_seconds += integrate(t.reserved, std::max(from, t.started_unix_s), until);
    const double boosted_until = t.reserved.size() == 1 ? until : t.boost_until_unix_s;
    out.boost_cpu_seconds += terms.boost * std::max(0.0, std::min(until, boosted_until) -
                                                             std::max(from, t.started_unix_s));
  }
  std::vector<Step> reserved;
  std::vector<Step> memory;
  if (const auto series = run.gateway.find(model); series != run.gateway.end()) {
    for (const auto& s : series->second) {
      reserved.push_back({s.unix_s, s.cpu_reserved});
      memory.push_back({s.unix_s, s.memory_bytes / kGib});
    }
  }
  if (!out.from_events) out.cpu_seconds = integrate(reserved, from, until);
  out.memory_gib_seconds = integrate(memory, from, until);
  add_parked(run, model, out);
  price(out, prices);
  return out;
}

void price(ModelCost& cost, const Prices& prices) {
  cost.cpu = cost.cpu_seconds * prices.cpu_per_hour / kSecondsPerHour;
  cost.memory = cost.memory_gib_seconds * prices.memory_gib_per_hour / kSecondsPerHour;
  cost.total = cost.cpu + cost.memory;
  cost.parked = cost.parked_gib_seconds * prices.memory_gib_per_hour / kSecondsPerHour;
}

std::optional<double> per_thousand(double total, double good_answers) {
  if (good_answers <= 0.0) return std::nullopt;
  return total / good_answers * 1000.0;
}

}  // namespace spate::lab
