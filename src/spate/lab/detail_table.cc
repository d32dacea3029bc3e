// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "spate/base/number_text.h"
#include "spate/lab/table.h"

namespace spate::lab {
namespace {

struct Widths {
  std::size_t name = 8;
  std::size_t model = 5;
};

std::string heading(const std::string& text, const TableStyle& style) {
  return (style.colour ? "\x1b[1m" + text + "\x1b[0m" : text) + "\n";
}

std::string number(const std::optional<double>& value, const char* unit = "") {
  if (!value) return "-";
  return fixed_text(*value, *value < 9.995 ? 2 : 1) + unit;
}

std::string seconds(bool recovered, const std::optional<double>& value) {
  if (!recovered) return "never";
  return value ? fmt::format("{:.0f} s", *value) : "-";
}

bool has_something(const ElasticitySummary& e) {
  return e.mean || e.starts > 0.0 || e.oscillations > 0.0;
}

std::string elasticity_row(const std::string& label, const ModelSummary& m, const Widths& width) {
  const ElasticitySummary& e = m.elasticity;
  std::optional<double> theta_u, theta_o, tau_u, tau_o, instability, jitter;
  if (e.mean) {
    theta_u = e.mean->theta_u_percent;
    theta_o = e.mean->theta_o_percent;
    tau_u = e.mean->tau_u_percent;
    tau_o = e.mean->tau_o_percent;
    instability = e.mean->instability_percent;
    jitter = e.mean->jitter_per_h;
  }
  return fmt::format(
      "{:<{}}  {:<{}}  {:>6}  {:>6}  {:>6}  {:>6}  {:>6}  {:>8}  {:>8}  {:>8}  {:>9}  {:>5}  "
      "{:>9}\n",
      label, width.name, m.model, width.model, number(theta_u), number(theta_o), number(tau_u),
      number(tau_o), number(instability), number(jitter), number(e.speedup),
      e.mean ? seconds(e.supply_recovered, e.supply_recovery_s) : "-",
      e.worst_minute ? fmt::format("{:.1f} %", 100.0 * *e.worst_minute) : "-",
      fmt::format("{:.3g}", e.oscillations),
      fmt::format("{:.3g} of {:.3g}", e.wasted_starts, e.starts));
}

std::string elasticity_rows(const Comparison& comparison, const Widths& width) {
  std::string out;
  for (const auto& s : comparison.strategies) {
    std::string label = s.strategy;
    for (const auto& m : s.models) {
      if (!has_something(m.elasticity)) continue;
      out += elasticity_row(label, m, width);
      label.clear();
    }
  }
  return out;
}

std::string surge_rows(const Comparison& comparison, const Widths& width) {
  std::string out;
  for (const auto& s : comparison.strategies) {
    std::string label = s.strategy;
    for (const auto& m : s.models) {
      for (const auto& surge : m.elasticity.surges) {
        out += fmt::format(
            "{:<{}}  {:<{}}  {:>8}  {:>9}  {:>9}  {:>8}\n", label, width.name, m.model, width.model,
            fmt::format("{:.0f} s", surge.surge.from_s),
            fmt::format("{:.3g}/s", surge.surge.rate_per_s),
            surge.attainment_after ? fmt::format("{:.2f} %", 100.0 * *surge.attainment_after) : "-",
            seconds(surge.recovered, surge.recovery_s));
        label.clear();
      }
    }
  }
  return out;
}

std::string why_without(const Comparison& comparison) {
  for (const auto& s : comparison.strategies) {
    for (const auto& m : s.models) {
      if (!m.elasticity.without.empty()) return m.model + ": " + m.elasticity.without;
    }
  }
  return "";
}

}  // namespace

std::string detail_tables(const Comparison& comparison, const TableStyle& style) {
  Widths width;
  for (const auto& s : comparison.strategies) {
    width.name = std::max(width.name, s.strategy.size());
    for (const auto& m : s.models) width.model = std::max(width.model, m.model.size());
  }
  std::string out;
  if (const std::string rows = elasticity_rows(comparison, width); !rows.empty()) {
    out += heading(
        fmt::format(
            "{:<{}}  {:<{}}  {:>6}  {:>6}  {:>6}  {:>6}  {:>6}  {:>8}  {:>8}  {:>8}  {:>9}  "
            "{:>5}  {:>9}",
            "strategy", width.name, "model", width.model, "θ_U %", "θ_O %", "τ_U %", "τ_O %", "υ %",
            "jitter/h", "speed-up", "supply", "worst min", "osc.", "wasted"),
        style);
    out += rows;
    out += fmt::format(
        "too little and too much supply (θ how much, τ how long), instability υ; speed-up over {}; "
        "supply: until it met a surge;\nworst minute in time; oscillations; starts that were for "
        "nothing. docs/elasticity.md has the formulas.\n",
        comparison.baseline);
    if (const std::string why = why_without(comparison); !why.empty()) {
      out += "without θ and τ: " + why + "\n";
    }
  }
  if (const std::string rows = surge_rows(comparison, width); !rows.empty()) {
    out += "\n" +
           heading(fmt::format("{:<{}}  {:<{}}  {:>8}  {:>9}  {:>9}  {:>8}", "strategy", width.name,
                               "model", width.model, "surge at", "rate", "20 s on", "recovery"),
                   style);
    out += rows;
  }
  const auto lines = paired_lines(comparison.paired);
  if (!lines.empty()) {
    out += "\n" + heading("cost, paired by repetition", style);
    for (const auto& line : lines) out += line + "\n";
  }
  return out;
}

}  // namespace spate::lab
