// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/paired.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "spate/base/number_text.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;
using Costs = std::map<int, double>;  // by repetition

constexpr std::size_t kMostLines = 12;

double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double v : values) sum += v;
  return values.empty() ? 0.0 : sum / static_cast<double>(values.size());
}

std::vector<double> values_of(const Costs& costs) {
  std::vector<double> out;
  for (const auto& [repetition, cost] : costs) out.push_back(cost);
  return out;
}

// The repetitions that every strategy has a valid run of.
std::vector<int> common(const std::map<std::string, Costs>& by_strategy) {
  std::vector<int> out;
  for (const auto& [repetition, cost] : by_strategy.begin()->second) {
    if (std::all_of(by_strategy.begin(), by_strategy.end(),
                    [&r = repetition](const auto& s) { return s.second.count(r) > 0; })) {
      out.push_back(repetition);
    }
  }
  return out;
}

CostPair pair_of(const judge::Contender& cheaper, const judge::Contender& dearer, double p,
                 std::size_t comparisons) {
  CostPair out{cheaper.name, dearer.name, {}, p, p > kSignificant, std::nullopt};
  const double base = mean_of(dearer.scores);
  std::vector<double> savings;
  for (std::size_t i = 0; i < cheaper.scores.size(); ++i) {
    savings.push_back(base > 0.0 ? (dearer.scores[i] - cheaper.scores[i]) / base : 0.0);
  }
  out.saving = judge::bootstrap_mean(savings);
  out.pairs_needed = judge::pairs_needed(savings, out.saving.mean, comparisons, kSignificant);
  return out;
}

Json count_or_null(const std::optional<std::size_t>& n) { return n ? Json(*n) : Json(nullptr); }

}  // namespace

PairedCosts paired_costs(const std::vector<RunResult>& runs) {
  PairedCosts out;
  std::map<std::string, Costs> by_strategy;
  for (const RunResult& run : runs) {
    if (run.valid) by_strategy[run.strategy][run.repetition] = run.cost;
  }
  if (by_strategy.empty()) return out;
  for (const auto& [strategy, costs] : by_strategy) {
    const auto values = values_of(costs);
    const double half = kWishedHalfWidth * mean_of(values);
    out.strategies.push_back({strategy, values.size(), judge::bootstrap_mean(values),
                              half > 0.0 ? judge::runs_needed(values, half) : std::nullopt});
  }
  std::stable_sort(
      out.strategies.begin(), out.strategies.end(),
      [](const CostInterval& a, const CostInterval& b) { return a.cost.mean < b.cost.mean; });
  const auto repetitions = common(by_strategy);
  out.repetitions = repetitions.size();
  if (by_strategy.size() < 2 || repetitions.empty()) return out;
  std::map<std::string, judge::Contender> contenders;
  std::vector<judge::Contender> list;
  for (const auto& [strategy, costs] : by_strategy) {
    judge::Contender c{strategy, {}};
    for (const int r : repetitions) c.scores.push_back(costs.at(r));
    list.push_back(c);
    contenders.emplace(strategy, std::move(c));
  }
  const judge::Ranking ranking = judge::rank(list, true, kSignificant);
  out.too_few = ranking.too_few;
  const std::size_t comparisons = list.size() * (list.size() - 1) / 2;
  for (std::size_t i = 0; i < ranking.order.size(); ++i) {
    for (std::size_t k = 0; k < ranking.p[i].size(); ++k) {
      out.pairs.push_back(pair_of(contenders.at(ranking.order[i].name),
                                  contenders.at(ranking.order[i + k + 1].name), ranking.p[i][k],
                                  comparisons));
    }
  }
  return out;
}

const CostPair* find_pair(const PairedCosts& costs, const std::string& a, const std::string& b) {
  for (const CostPair& pair : costs.pairs) {
    if ((pair.cheaper == a && pair.dearer == b) || (pair.cheaper == b && pair.dearer == a)) {
      return &pair;
    }
  }
  return nullptr;
}

Json paired_json(const PairedCosts& costs) {
  Json strategies = Json::array();
  for (const auto& s : costs.strategies) {
    strategies.push_back({{"strategy", s.strategy},
                          {"runs", s.runs},
                          {"cost_mean", s.cost.mean},
                          {"cost_low", s.cost.low},
                          {"cost_high", s.cost.high},
                          {"runs_needed", count_or_null(s.runs_needed)}});
  }
  Json pairs = Json::array();
  for (const auto& p : costs.pairs) {
    pairs.push_back({{"cheaper", p.cheaper},
                     {"dearer", p.dearer},
                     {"saving_ratio", p.saving.mean},
                     {"saving_low", p.saving.low},
                     {"saving_high", p.saving.high},
                     {"p_holm", p.p},
                     {"tied", p.tied},
                     {"repetitions_needed", count_or_null(p.pairs_needed)}});
  }
  return {{"confidence", 0.95},
          {"half_width_ratio", kWishedHalfWidth},
          {"repetitions", costs.repetitions},
          {"too_few_to_tell", costs.too_few},
          {"strategies", strategies},
          {"pairs", pairs}};
}

std::vector<std::string> paired_lines(const PairedCosts& costs) {
  std::vector<std::string> out;
  if (costs.pairs.empty()) return out;
  if (costs.too_few) {
    const auto enough = judge::pairs_to_resolve(costs.pairs.size(), kSignificant);
    out.push_back(fmt::format(
        "{} repetition{} cannot show a difference among {} strategies at 5 %: {}.",
        costs.repetitions, costs.repetitions == 1 ? "" : "s", costs.strategies.size(),
        enough ? fmt::format("it takes at least {}", *enough) : "no number can, compare fewer"));
  }
  for (const CostPair& p : costs.pairs) {
    if (out.size() == kMostLines) {
      out.push_back("… (all pairs are in summary.json, `paired`)");
      break;
    }
    std::string line = fmt::format(
        "{} against {}: {} % less (95 %: {} to {} %), p {:.3g}: {}", p.cheaper, p.dearer,
        fixed_text(100.0 * p.saving.mean, 1), fixed_text(100.0 * p.saving.low, 1),
        fixed_text(100.0 * p.saving.high, 1), p.p, p.tied ? "tied" : "different");
    if (p.tied && p.pairs_needed) {
      line += fmt::format("; about {} repetitions would find such a difference (80 %)",
                          *p.pairs_needed);
    }
    out.push_back(std::move(line));
  }
  for (const CostInterval& s : costs.strategies) {
    if (!s.runs_needed || *s.runs_needed <= s.runs) continue;
    out.push_back(fmt::format("{}: about {} runs would give its cost to ±{:g} % (it has {})",
                              s.strategy, *s.runs_needed, 100.0 * kWishedHalfWidth, s.runs));
  }
  return out;
}

}  // namespace spate::lab
