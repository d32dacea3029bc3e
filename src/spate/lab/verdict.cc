// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace spate::lab {
namespace {

using Json = nlohmann::json;

bool run_attains(const RunResult& run) {
  return std::all_of(run.models.begin(), run.models.end(), [](const ModelResult& m) {
    return m.slo_attainment && *m.slo_attainment >= m.slo_target;
  });
}

ModelSummary summarise_model(const std::vector<const ModelResult*>& results) {
  ModelSummary out;
  out.model = results.front()->model;
  out.slo_target = results.front()->slo_target;
  out.slo_latency_ms = results.front()->slo_latency_ms;
  std::vector<double> attainments, p50, p99, cost, parked, replicas, limits;
  double in_time = 0.0, correct = 0.0, asked_after = 0.0, in_time_after = 0.0;
  bool has_accuracy = false;
  for (const ModelResult* m : results) {
    out.asked += m->asked;
    out.sent += m->sent;
    out.answered += m->answered;
    in_time += m->in_time;
    out.wrong += m->wrong;
    out.expired += m->expired;
    out.duplicate += m->duplicate;
    out.lost += m->lost;
    for (const auto& [reason, count] : m->rejected) out.rejected[reason] += count;
    if (m->accuracy) {
      has_accuracy = true;
      correct += *m->accuracy * m->answered;
    }
    for (const auto& s : m->surges) {
      asked_after += s.asked_after;
      in_time_after += s.in_time_after;
    }
    if (m->slo_attainment) attainments.push_back(*m->slo_attainment);
    if (m->p50_ms) p50.push_back(*m->p50_ms);
    if (m->p99_ms) p99.push_back(*m->p99_ms);
    cost.push_back(m->cost.total);
    parked.push_back(m->cost.parked);
    replicas.push_back(m->mean_replicas);
    limits.push_back(m->mean_cpu_limit);
    out.recovered = out.recovered && m->recovered;
    if (m->recovery_s) out.recovery_s = std::max(out.recovery_s.value_or(0.0), *m->recovery_s);
  }
  if (!out.recovered) out.recovery_s.reset();
  if (out.asked > 0.0) out.attainment = in_time / out.asked;
  if (asked_after > 0.0) out.attainment_after_surge = in_time_after / asked_after;
  if (has_accuracy && out.answered > 0.0) out.accuracy = correct / out.answered;
  out.attains = out.attainment && *out.attainment >= out.slo_target;
  out.attainment_spread = spread_of(attainments);
  out.p50_ms = spread_of(p50);
  out.p99_ms = spread_of(p99);
  out.cost = spread_of(cost);
  out.cost_parked = spread_of(parked);
  out.elasticity = summarise_elasticity(results);
  out.mean_replicas = spread_of(replicas);
  out.mean_cpu_limit = spread_of(limits);
  return out;
}

StrategySummary summarise(const std::string& strategy, const std::vector<const RunResult*>& runs) {
  StrategySummary out;
  out.strategy = strategy;
  std::vector<double> costs;
  std::map<std::string, std::vector<const ModelResult*>> by_model;
  std::vector<std::string> models;
  double total = 0.0, good = 0.0;
  int attaining = 0;
  for (const RunResult* run : runs) {
    ++out.runs;
    out.kind = run->kind;
    if (run->disturbed) ++out.disturbed_runs;
    if (!run->valid) continue;
    ++out.valid_runs;
    costs.push_back(run->cost);
    total += run->cost;
    if (run_attains(*run)) ++attaining;
    for (const auto& m : run->models) {
      if (by_model[m.model].empty()) models.push_back(m.model);
      by_model[m.model].push_back(&m);
      good += m.in_time;
    }
  }
  out.cost = spread_of(costs);
  out.cost_per_1000_good = per_thousand(total, good);
  for (const auto& model : models) out.models.push_back(summarise_model(by_model[model]));
  out.qualifies = out.valid_runs > 0 && std::all_of(out.models.begin(), out.models.end(),
                                                    [](const auto& m) { return m.attains; });
  out.borderline = attaining != 0 && attaining != out.valid_runs;
  return out;
}

bool tie(const StrategySummary& best, const StrategySummary& other, const PairedCosts& paired) {
  if (best.valid_runs < 2 || other.valid_runs < 2) {
    return other.cost.mean <= best.cost.mean * (1.0 + kSingleRunTie);
  }
  const CostPair* pair = find_pair(paired, best.strategy, other.strategy);
  if (pair != nullptr && !paired.too_few) return pair->tied;
  return other.cost.low <= best.cost.high && best.cost.low <= other.cost.high;
}

// How far below its target the worst model of a strategy stays, as a share of the target.
double shortfall(const StrategySummary& s) {
  double worst = 0.0;
  for (const auto& m : s.models) {
    if (m.slo_target > 0.0) {
      worst = std::max(worst, (m.slo_target - m.attainment.value_or(0.0)) / m.slo_target);
    }
  }
  return worst;
}

const ModelSummary& worst_model(const StrategySummary& s) {
  return *std::max_element(s.models.begin(), s.models.end(), [](const auto& a, const auto& b) {
    return a.slo_target - a.attainment.value_or(0.0) < b.slo_target - b.attainment.value_or(0.0);
  });
}

std::string nobody_text(const std::vector<const StrategySummary*>& measured) {
  const auto closest =
      *std::min_element(measured.begin(), measured.end(),
                        [](const auto* a, const auto* b) { return shortfall(*a) < shortfall(*b); });
  const ModelSummary& m = worst_model(*closest);
  return fmt::format(
      "No strategy met every model's target. Closest: {} ({} answered {:.1f} % in time, target "
      "{:g} %).",
      closest->strategy, m.model, 100.0 * m.attainment.value_or(0.0), 100.0 * m.slo_target);
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  return out;
}

std::string winner_text(const StrategySummary& best, std::vector<const StrategySummary*> others) {
  if (others.empty()) {
    return fmt::format("{} is the only strategy that met every model's target.", best.strategy);
  }
  std::string text = fmt::format("{} met every model's target at the lowest cost", best.strategy);
  const auto& next = *others.front();
  if (best.cost.mean > 0.0) {
    text += fmt::format(": {:.0f} % less than {}", 100.0 * (1.0 - best.cost.mean / next.cost.mean),
                        next.strategy);
  }
  return text + ".";
}

// Why the winners tie.
std::string tie_text(const StrategySummary& best, const std::vector<std::string>& winners,
                     const PairedCosts& paired) {
  if (best.valid_runs < 2) {
    return fmt::format("{} tie: their costs differ by less than 2 %.", joined(winners));
  }
  if (paired.too_few) {
    return fmt::format("{} tie: the ranges of their costs over the repetitions overlap.",
                       joined(winners));
  }
  std::string text = fmt::format(
      "{} are tied: {} repetitions cannot tell their costs apart (paired, corrected, 5 %)",
      joined(winners), paired.repetitions);
  const CostPair* pair = find_pair(paired, winners[0], winners[1]);
  if (winners.size() == 2 && pair != nullptr && pair->pairs_needed) {
    text += fmt::format("; about {} would find the {:.1f} % seen", *pair->pairs_needed,
                        100.0 * pair->saving.mean);
  }
  return text + ".";
}

Verdict judge(const std::vector<StrategySummary>& strategies, const PairedCosts& paired) {
  Verdict out;
  std::vector<const StrategySummary*> measured, qualified;
  for (const auto& s : strategies) {
    if (s.valid_runs > 0) measured.push_back(&s);
    if (s.qualifies) qualified.push_back(&s);
  }
  if (measured.empty()) {
    out.text = "No run was valid, so nothing can be said; the reasons stand with the runs.";
    return out;
  }
  if (qualified.empty()) {
    out.outcome = "nobody";
    out.text = nobody_text(measured);
  } else {
    std::sort(qualified.begin(), qualified.end(),
              [](const auto* a, const auto* b) { return a->cost.mean < b->cost.mean; });
    const StrategySummary& best = *qualified.front();
    for (const auto* s : qualified) {
      if (s == &best || tie(best, *s, paired)) out.winners.push_back(s->strategy);
    }
    out.outcome = out.winners.size() > 1 ? "tie" : "winner";
    if (out.winners.size() > 1) {
      out.text = tie_text(best, out.winners, paired);
    } else {
      out.text = winner_text(best, {qualified.begin() + 1, qualified.end()});
    }
    if (best.borderline) {
      out.text += fmt::format(" {} met the target in some repetitions only.", best.strategy);
    }
  }
  if (measured.size() < strategies.size()) out.text += " Some strategies have no valid run.";
  if (std::any_of(measured.begin(), measured.end(),
                  [](const auto* s) { return s->valid_runs == 1; })) {
    out.text += " One repetition says little about chance: repeat at least three times.";
  }
  return out;
}

Json maybe(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json spread_json(const Spread& s) { return {{"mean", s.mean}, {"min", s.low}, {"max", s.high}}; }

Json count(double value) { return static_cast<std::int64_t>(value); }

Json summary_json(const ModelSummary& m) {
  Json rejected = Json::object();
  for (const auto& [reason, number] : m.rejected) rejected[reason] = count(number);
  return {{"slo_target", m.slo_target},
          {"slo_latency_ms", m.slo_latency_ms},
          {"slo_attainment", maybe(m.attainment)},
          {"slo_attainment_spread", spread_json(m.attainment_spread)},
          {"attains", m.attains},
          {"attainment_after_surge", maybe(m.attainment_after_surge)},
          {"accuracy", maybe(m.accuracy)},
          {"p50_ms", spread_json(m.p50_ms)},
          {"p99_ms", spread_json(m.p99_ms)},
          {"cost", spread_json(m.cost)},
          {"cost_parked", spread_json(m.cost_parked)},
          {"mean_replicas", spread_json(m.mean_replicas)},
          {"mean_cpu_limit", spread_json(m.mean_cpu_limit)},
          {"recovered", m.recovered},
          {"recovery_s", maybe(m.recovery_s)},
          {"asked", count(m.asked)},
          {"sent", count(m.sent)},
          {"answered", count(m.answered)},
          {"wrong", count(m.wrong)},
          {"rejected", rejected},
          {"expired", count(m.expired)},
          {"duplicate", count(m.duplicate)},
          {"lost", count(m.lost)},
          {"elasticity", elasticity_json(m.elasticity)}};
}

const ModelSummary* model_of(const StrategySummary& s, const std::string& model) {
  for (const auto& m : s.models) {
    if (m.model == model) return &m;
  }
  return nullptr;
}

void compare_elasticity(Comparison& out) {
  const StrategySummary* baseline = nullptr;
  for (const auto& s : out.strategies) {
    if (s.valid_runs > 0 && (baseline == nullptr || s.kind == "none")) baseline = &s;
    if (s.valid_runs > 0 && s.kind == "none") break;
  }
  if (baseline == nullptr) return;
  out.baseline = baseline->strategy;
  for (auto& s : out.strategies) {
    if (&s == baseline) continue;
    for (auto& m : s.models) {
      const ModelSummary* base = model_of(*baseline, m.model);
      if (base == nullptr || !base->elasticity.mean || !m.elasticity.mean) continue;
      m.elasticity.speedup = judge::elastic_speedup(*base->elasticity.mean, *m.elasticity.mean);
    }
  }
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  double sum = 0.0;
  for (const double v : values) sum += v;
  return {sum / static_cast<double>(values.size()), *low, *high};
}

Comparison compare_runs(const std::vector<RunResult>& runs, const std::vector<std::string>& order) {
  Comparison out;
  std::vector<std::string> labels = order;
  for (const auto& run : runs) {
    if (std::find(labels.begin(), labels.end(), run.strategy) == labels.end()) {
      labels.push_back(run.strategy);
    }
  }
  for (const auto& label : labels) {
    std::vector<const RunResult*> mine;
    for (const auto& run : runs) {
      if (run.strategy == label) mine.push_back(&run);
    }
    out.strategies.push_back(summarise(label, mine));
  }
  compare_elasticity(out);
  out.paired = paired_costs(runs);
  out.verdict = judge(out.strategies, out.paired);
  return out;
}

Json comparison_json(const Comparison& comparison) {
  Json strategies = Json::array();
  for (const auto& s : comparison.strategies) {
    Json models = Json::object();
    for (const auto& m : s.models) models[m.model] = summary_json(m);
    strategies.push_back({{"strategy", s.strategy},
                          {"kind", s.kind},
                          {"runs", s.runs},
                          {"valid_runs", s.valid_runs},
                          {"disturbed_runs", s.disturbed_runs},
                          {"qualifies", s.qualifies},
                          {"borderline", s.borderline},
                          {"cost", spread_json(s.cost)},
                          {"cost_per_1000_good", maybe(s.cost_per_1000_good)},
                          {"models", models}});
  }
  return {{"strategies", strategies},
          {"elastic_speedup_over", comparison.baseline},
          {"paired", paired_json(comparison.paired)},
          {"verdict",
           {{"outcome", comparison.verdict.outcome},
            {"winners", comparison.verdict.winners},
            {"text", comparison.verdict.text},
            {"rule", winner_rule()}}}};
}

std::string winner_rule() {
  return "SLO attainment is the share of all requests of the measured window that were answered "
         "correctly formed and within the latency objective, counted from the moment each request "
         "was meant to be sent; rejected, expired and lost requests are misses. A strategy "
         "qualifies when every model attains its target over all valid repetitions together. The "
         "winner is the cheapest that qualifies. Strategies tie when their costs, compared "
         "repetition by repetition, cannot be told apart (sign-flip permutation, Holm-corrected, 5 "
         "%); with too few repetitions for that, when the ranges of their costs overlap (with one "
         "repetition: within 2 %).";
}

}  // namespace spate::lab
