// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/capacity_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace spate::lab {
namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json live_json(const LiveCapacity& live) {
  Json rates = Json::array();
  for (const LiveRate& r : live.rates) {
    rates.push_back({{"rate_per_s", r.rate_per_s},
                     {"verdict", to_string(r.verdict)},
                     {"share", r.share},
                     {"low", r.low},
                     {"high", r.high},
                     {"asked", r.asked},
                     {"seconds", r.seconds},
                     {"design_effect", r.design_effect},
                     {"problems", r.problems}});
  }
  return {{"low_per_s", number_or_null(live.low_per_s)},
          {"high_per_s", number_or_null(live.high_per_s)},
          {"rates", rates}};
}

std::string live_text(const LiveCapacity& live) {
  if (live.low_per_s && live.high_per_s) {
    return fmt::format("{:.4g} to {:.4g}", *live.low_per_s, *live.high_per_s);
  }
  if (live.low_per_s) return fmt::format("at least {:.4g}", *live.low_per_s);
  if (live.high_per_s) return fmt::format("below {:.4g}", *live.high_per_s);
  return "undecided";
}

std::string simulated_text(const SimulatedCapacity& s) {
  if (!s.impossible.empty()) return "none";
  return fmt::format("{:.4g} ({:.4g} to {:.4g}){}", s.per_s, s.low_per_s, s.high_per_s,
                     s.fits_machine ? "" : " *");
}

}  // namespace

std::vector<std::size_t> choose_live(const std::vector<CapacityPoint>& points, int count,
                                     double spare_cpus) {
  std::vector<std::size_t> fitting;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].cpus * points[i].replicas <= spare_cpus + 1e-9) fitting.push_back(i);
  }
  const auto most = static_cast<std::size_t>(std::max(0, count));
  if (fitting.size() <= most) return fitting;
  std::vector<std::size_t> out;
  for (std::size_t k = 0; k < most; ++k) {
    out.push_back(fitting[most == 1 ? 0 : k * (fitting.size() - 1) / (most - 1)]);
  }
  return out;
}

Json curve_json(const Scenario& base, const std::vector<CurveEntry>& entries,
                const sim::MachineProfile& profile, const LiveCurveOptions& options) {
  Json points = Json::array();
  for (const CurveEntry& e : entries) {
    const ModelScenario& m = *base.find_model(e.point.model);
    Json point{{"model", e.point.model},
               {"mode", m.mode},
               {"cpus", e.point.cpus},
               {"batch", e.point.batch},
               {"replicas", e.point.replicas},
               {"slo_latency_ms", m.slo_latency_ms},
               {"slo_target", m.slo_target},
               {"simulated",
                {{"per_s", e.simulated.per_s},
                 {"low_per_s", e.simulated.low_per_s},
                 {"high_per_s", e.simulated.high_per_s},
                 {"fits_machine", e.simulated.fits_machine},
                 {"impossible", e.simulated.impossible}}}};
    if (e.live) point["live"] = live_json(*e.live);
    points.push_back(std::move(point));
  }
  return {{"schema", 1},
          {"scenario", base.name},
          {"profile", profile.file},
          {"profile_machine",
           profile.machine_json.empty() ? Json() : Json::parse(profile.machine_json)},
          {"cores", base.machine.cores.value_or(profile.cores)},
          {"spate", options.spate_version},
          {"confidence", options.confidence},
          {"step_ratio", options.step_ratio},
          {"points", points}};
}

std::string curve_table(const Scenario& base, const std::vector<CurveEntry>& entries,
                        double confidence) {
  std::string out = fmt::format("{:<12} {:>5} {:>6} {:>9}  {:<28} {}\n", "model", "CPU", "batch",
                                "replicas", "simulated, requests/s", "live, requests/s");
  bool beyond = false;
  std::string impossible;
  for (const CurveEntry& e : entries) {
    out += fmt::format("{:<12} {:>5g} {:>6} {:>9}  {:<28} {}\n", e.point.model, e.point.cpus,
                       e.point.batch, e.point.replicas, simulated_text(e.simulated),
                       e.live ? live_text(*e.live) : "-");
    beyond = beyond || (!e.simulated.fits_machine && e.simulated.impossible.empty());
    if (impossible.empty()) impossible = e.simulated.impossible;
  }
  for (const ModelScenario& m : base.models) {
    const bool there = std::any_of(entries.begin(), entries.end(),
                                   [&](const auto& e) { return e.point.model == m.name; });
    if (there) {
      out += fmt::format("{}: {:g} % of the requests within {:g} ms\n", m.name,
                         100.0 * m.slo_target, m.slo_latency_ms);
    }
  }
  out += "simulated: mean of the seeds (least to largest)";
  out += beyond ? "; * more CPUs than this machine has, each replica with its own\n" : "\n";
  out += fmt::format(
      "live: from the largest rate that was above the target to the smallest below it, each of "
      "them with {:g} % confidence\n",
      100.0 * confidence);
  if (!impossible.empty()) out += "none: " + impossible + "\n";
  return out;
}

}  // namespace spate::lab
