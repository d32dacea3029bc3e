// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "spate/base/number_text.h"
#include "spate/judge/prediction.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;
using Values = std::vector<double>;

// Binary fractions: 3 points are 3 points.
constexpr double kSlack = 1e-9;

std::optional<double> mean_of(const Values& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0.0;
  for (const double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

using Field = std::function<std::optional<double>(const ModelResult&)>;

Values values_of(const std::vector<RunResult>& runs, const std::string& model, const Field& field) {
  Values out;
  for (const auto& run : runs) {
    if (!run.valid) continue;
    for (const auto& m : run.models) {
      if (m.model != model) continue;
      if (const auto value = field(m)) out.push_back(*value);
    }
  }
  return out;
}

Within judged(const std::optional<double>& difference, double most) {
  if (!difference) return Within::Unknown;
  return std::abs(*difference) <= most + kSlack ? Within::Yes : Within::No;
}

MeanCheck check_attainment(const Values& live, const Values& simulated, double most_points) {
  MeanCheck out{mean_of(live), mean_of(simulated), std::nullopt, Within::Unknown};
  if (out.live && out.simulated) out.difference = 100.0 * (*out.simulated - *out.live);
  out.within = judged(out.difference, most_points);
  return out;
}

MeanCheck check_cost(const Values& live, const Values& simulated, double most_ratio) {
  MeanCheck out{mean_of(live), mean_of(simulated), std::nullopt, Within::Unknown};
  if (!out.live || !out.simulated) return out;
  if (*out.live > 0.0) {
    out.difference = *out.simulated / *out.live - 1.0;
    out.within = judged(out.difference, most_ratio);
  } else {
    out.within = *out.simulated == 0.0 ? Within::Yes : Within::No;
  }
  return out;
}

QuantileCheck check_quantile(const Values& live, const Values& simulated, double confidence) {
  QuantileCheck out;
  out.live = judge::prediction_interval(live, confidence);
  out.simulated = mean_of(simulated);
  out.simulated_runs = static_cast<int>(simulated.size());
  if (!out.live || !out.simulated) return out;
  const auto inside = [&](double v) { return v >= out.live->low && v <= out.live->high; };
  out.simulated_runs_inside =
      static_cast<int>(std::count_if(simulated.begin(), simulated.end(), inside));
  out.within = inside(*out.simulated) ? Within::Yes : Within::No;
  return out;
}

int count_valid(const std::vector<RunResult>& runs, bool disturbed_only) {
  return static_cast<int>(std::count_if(runs.begin(), runs.end(), [&](const RunResult& r) {
    return r.valid && (!disturbed_only || r.disturbed);
  }));
}

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json mean_json(const MeanCheck& c, const char* unit_key) {
  return {{"live", optional_json(c.live)},
          {"simulated", optional_json(c.simulated)},
          {unit_key, optional_json(c.difference)},
          {"within", to_string(c.within)}};
}

Json quantile_json(const QuantileCheck& c) {
  Json out{{"simulated", optional_json(c.simulated)},
           {"simulated_runs", c.simulated_runs},
           {"simulated_runs_inside", c.simulated_runs_inside},
           {"within", to_string(c.within)}};
  if (c.live) {
    out["live"] = c.live->mean;
    out["low"] = c.live->low;
    out["high"] = c.live->high;
    out["width"] = c.live->high - c.live->low;
    out["confidence"] = c.live->confidence;
  }
  return out;
}

std::vector<Within> checks_of(const ValidationLine& line) {
  return {line.attainment.within, line.cost.within, line.p50_ms.within, line.p99_ms.within};
}

const char* mark(Within within) {
  return within == Within::Yes ? " " : within == Within::No ? "!" : "?";
}

std::string quantile_cell(const QuantileCheck& c) {
  const std::string value = c.simulated ? fmt::format("{:.4g}", *c.simulated) : "-";
  if (!c.live) return fmt::format("{:>6} in ?{}", value, mark(c.within));
  // A latency below 0 is none: the formula's low end may be.
  return fmt::format("{:>6} in [{:.4g}, {:.4g}]{}", value, std::max(0.0, c.live->low), c.live->high,
                     mark(c.within));
}

}  // namespace

const char* to_string(Within within) {
  switch (within) {
    case Within::Yes:
      return "yes";
    case Within::No:
      return "no";
    case Within::Unknown:
      break;
  }
  return "unknown";
}

Within ValidationLine::within() const {
  Within out = Within::Yes;
  for (const Within w : checks_of(*this)) {
    if (w == Within::No) return w;
    if (w == Within::Unknown) out = w;
  }
  return out;
}

std::vector<ValidationLine> validate_runs(const std::string& scenario, const std::string& strategy,
                                          const std::vector<std::string>& models,
                                          const std::vector<RunResult>& live,
                                          const std::vector<RunResult>& simulated,
                                          const Tolerance& tolerance) {
  std::vector<ValidationLine> out;
  for (const auto& model : models) {
    const auto both = [&](const Field& field) {
      return std::pair{values_of(live, model, field), values_of(simulated, model, field)};
    };
    ValidationLine line;
    line.scenario = scenario;
    line.strategy = strategy;
    line.model = model;
    line.live_runs = count_valid(live, false);
    line.disturbed_runs = count_valid(live, true);
    line.simulated_runs = count_valid(simulated, false);
    const auto attained = both([](const ModelResult& m) { return m.slo_attainment; });
    line.attainment =
        check_attainment(attained.first, attained.second, tolerance.attainment_points);
    const auto cost = both([](const ModelResult& m) { return std::optional(m.cost.total); });
    line.cost = check_cost(cost.first, cost.second, tolerance.cost_ratio);
    const auto p50 = both([](const ModelResult& m) { return m.p50_ms; });
    line.p50_ms = check_quantile(p50.first, p50.second, tolerance.quantile_confidence);
    const auto p99 = both([](const ModelResult& m) { return m.p99_ms; });
    line.p99_ms = check_quantile(p99.first, p99.second, tolerance.quantile_confidence);
    out.push_back(std::move(line));
  }
  return out;
}

ValidationCount count(const std::vector<ValidationLine>& lines) {
  ValidationCount out;
  for (const auto& line : lines) {
    ++out.lines;
    out.lines_within += line.within() == Within::Yes ? 1 : 0;
    out.lines_unknown += line.within() == Within::Unknown ? 1 : 0;
    for (const Within w : checks_of(line)) {
      ++out.figures;
      out.figures_within += w == Within::Yes ? 1 : 0;
      out.figures_unknown += w == Within::Unknown ? 1 : 0;
    }
  }
  return out;
}

Json to_json(const ValidationLine& line) {
  return {{"scenario", line.scenario},
          {"strategy", line.strategy},
          {"model", line.model},
          {"scaled", line.scaled},
          {"live_runs", line.live_runs},
          {"disturbed_runs", line.disturbed_runs},
          {"simulated_runs", line.simulated_runs},
          {"slo_attainment", mean_json(line.attainment, "difference_points")},
          {"cost", mean_json(line.cost, "difference_ratio")},
          {"p50_ms", quantile_json(line.p50_ms)},
          {"p99_ms", quantile_json(line.p99_ms)},
          {"within", to_string(line.within())}};
}

Json to_json(const ValidationCount& c) {
  return {{"lines", c.lines},
          {"lines_within", c.lines_within},
          {"lines_unknown", c.lines_unknown},
          {"figures", c.figures},
          {"figures_within", c.figures_within},
          {"figures_unknown", c.figures_unknown}};
}

std::string verdict_text(const ValidationCount& c) {
  std::string out = fmt::format("{} of {} lines within", c.lines_within, c.lines);
  if (c.lines_unknown > 0) out += fmt::format(", {} cannot be told", c.lines_unknown);
  out += fmt::format("; {} of {} figures", c.figures_within, c.figures);
  return out;
}

std::string validation_table(const std::vector<ValidationLine>& lines) {
  std::size_t scenario = 8, strategy = 8, model = 5;
  for (const auto& l : lines) {
    scenario = std::max(scenario, l.scenario.size());
    strategy = std::max(strategy, l.strategy.size());
    model = std::max(model, l.model.size());
  }
  std::string out =
      fmt::format("{:<{}}  {:<{}}  {:<{}}  {:>2}  {:<25}  {:>8}  {:<29}  {:<29}  {}\n", "scenario",
                  scenario, "strategy", strategy, "model", model, "n", "in time live, sim, points",
                  "cost", "p50 ms simulated, live", "p99 ms simulated, live", "within");
  const auto percent = [](const std::optional<double>& ratio) {
    return ratio ? fmt::format("{:.2f}", 100.0 * *ratio) : std::string("-");
  };
  for (const auto& l : lines) {
    const auto& a = l.attainment;
    const std::string points = a.difference ? signed_text(*a.difference, 2) : "-";
    const std::string cost =
        l.cost.difference ? signed_text(100.0 * *l.cost.difference, 1) + " %" : "-";
    out += fmt::format(
        "{:<{}}  {:<{}}  {:<{}}  {:>2}  {:>7} {:>7} {:>8}{}  {:>7}{}  {:<29}  {:<29}  {}\n",
        l.scenario, scenario, l.strategy, strategy, l.model, model, l.live_runs, percent(a.live),
        percent(a.simulated), points, mark(a.within), cost, mark(l.cost.within),
        quantile_cell(l.p50_ms), quantile_cell(l.p99_ms), to_string(l.within()));
  }
  return out + "\n" + verdict_text(count(lines)) + "\n";
}

}  // namespace spate::lab
