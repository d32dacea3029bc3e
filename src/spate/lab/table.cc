// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace spate::lab {
namespace {

constexpr const char* kBold = "\x1b[1m";
constexpr const char* kGood = "\x1b[32m";
constexpr const char* kBad = "\x1b[31m";
constexpr const char* kDim = "\x1b[2m";
constexpr const char* kReset = "\x1b[0m";

std::string percent(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.2f} %", 100.0 * *ratio) : "-";
}

std::string milliseconds(double ms) {
  return ms >= 1000.0 ? fmt::format("{:.2f} s", ms / 1000.0) : fmt::format("{:.3g} ms", ms);
}

double sum(const std::map<std::string, double>& counts) {
  double out = 0.0;
  for (const auto& [reason, count] : counts) out += count;
  return out;
}

std::string recovery_text(const ModelSummary& m) {
  if (!m.recovered) return "never";
  return m.recovery_s ? fmt::format("{:.0f} s", *m.recovery_s) : "-";
}

}  // namespace

std::string money(double amount, const std::string& currency) {
  const double size = std::abs(amount);
  if (size == 0.0) return "0 " + currency;
  if (size < 1e-3) return fmt::format("{:.3g} µ{}", amount * 1e6, currency);
  if (size < 1.0) return fmt::format("{:.3g} m{}", amount * 1e3, currency);
  return fmt::format("{:.4g} {}", amount, currency);
}

std::string comparison_table(const Comparison& comparison, const TableStyle& style) {
  const auto paint = [&](const char* colour, const std::string& text) {
    return style.colour ? colour + text + kReset : text;
  };
  std::size_t name_width = 8;
  std::size_t model_width = 5;
  for (const auto& s : comparison.strategies) {
    name_width = std::max(name_width, s.strategy.size() + 2);
    for (const auto& m : s.models) model_width = std::max(model_width, m.model.size());
  }
  std::string out = paint(
      kBold,
      fmt::format("{:<{}}  {:<{}}  {:>9}  {:>7}  {:>9}  {:>8}  {:>8}  {:>8}  {:>7}  {:>5}  {}",
                  "strategy", name_width, "model", model_width, "in time", "target", "20 s on",
                  "recovery", "p50", "p99", "refused", "CPU", "cost"));
  out += "\n";
  const auto& winners = comparison.verdict.winners;
  for (const auto& s : comparison.strategies) {
    const bool wins = std::find(winners.begin(), winners.end(), s.strategy) != winners.end();
    std::string label = (wins ? "* " : "  ") + s.strategy;
    if (s.models.empty()) {
      out += fmt::format("{:<{}}  {}\n", label, name_width,
                         paint(kBad, s.runs > 0 ? "no valid run" : "not run"));
    }
    for (const auto& m : s.models) {
      const std::string attained = fmt::format("{:>9}", percent(m.attainment));
      out += fmt::format(
          "{:<{}}  {:<{}}  {}  {:>7}  {:>9}  {:>8}  {:>8}  {:>8}  {:>7}  {:>5.2f}  {}\n", label,
          name_width, m.model, model_width, paint(m.attains ? kGood : kBad, attained),
          fmt::format("{:g} %", 100.0 * m.slo_target), percent(m.attainment_after_surge),
          recovery_text(m), milliseconds(m.p50_ms.mean), milliseconds(m.p99_ms.mean),
          fmt::format("{:.0f}", sum(m.rejected) + m.expired),
          m.mean_replicas.mean * m.mean_cpu_limit.mean, money(m.cost.mean, style.currency));
      label.clear();
    }
    if (s.valid_runs > 0) {
      std::string total = fmt::format("  total {}", money(s.cost.mean, style.currency));
      if (s.valid_runs > 1) {
        total += fmt::format(" ({} to {} over {} runs)", money(s.cost.low, style.currency),
                             money(s.cost.high, style.currency), s.valid_runs);
      }
      if (s.cost_per_1000_good) {
        total += fmt::format(", {} per 1 000 good answers",
                             money(*s.cost_per_1000_good, style.currency));
      }
      if (s.valid_runs < s.runs) total += fmt::format("; {} invalid", s.runs - s.valid_runs);
      if (s.disturbed_runs > 0) total += fmt::format("; {} disturbed", s.disturbed_runs);
      out += paint(kDim, fmt::format("{:<{}}{}", "", name_width, total)) + "\n";
    }
  }
  out += "\n" + paint(kBold, comparison.verdict.text) + "\n";
  return out;
}

}  // namespace spate::lab
