// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace spate::influx {
namespace {

// A percentile needs some values beyond it: fewer than this and the p99 is about the maximum.
constexpr std::uint64_t kSamplesForP99 = 300;

void judge_lag(const VerdictInput& input, const VerdictRules& rules, Verdict& verdict) {
  Histogram lag;
  for (const ModelReport* model : input.models) lag.merge(model->lag);
  const Duration limit = rules.lag_limit(input.tightest_slo);
  const Duration p99 = lag.quantile(0.99);
  if (p99 <= limit) return;
  verdict.reasons.push_back(fmt::format(
      "the generator was late: lag p99 {:.2f} ms, at most {:.2f} ms is allowed (the larger of "
      "{:.0f} ms and {:.3g} of the tightest SLO)",
      to_ms(p99), to_ms(limit), to_ms(rules.lag_floor), rules.lag_slo_ratio));
}

void judge_offered(const ModelReport& model, const VerdictRules& rules, bool stopped,
                   Verdict& verdict) {
  const OfferedWindow* worst = nullptr;
  std::size_t bad = 0;
  double worst_excess = 0.0;
  for (const OfferedWindow& w : model.offered) {
    const double off = std::abs(static_cast<double>(w.sent) - static_cast<double>(w.planned));
    const double excess = off - (rules.offered_tolerance * static_cast<double>(w.planned) + 1.0);
    if (excess <= 0.0) continue;
    ++bad;
    if (worst == nullptr || excess > worst_excess) {
      worst = &w;
      worst_excess = excess;
    }
  }
  if (worst == nullptr || stopped) return;  // a stopped run has its own reason
  verdict.reasons.push_back(fmt::format(
      "{}: the offered load missed the plan in {} of {} stretches of 10 s; worst from {:.0f} s: {} "
      "planned, {} sent (1 % and one request are allowed)",
      model.name, bad, model.offered.size(), worst->from_s, worst->planned, worst->sent));
}

}  // namespace

Duration VerdictRules::lag_limit(Duration tightest_slo) const {
  return std::max(lag_floor, from_seconds(lag_slo_ratio * to_seconds(tightest_slo)));
}

Verdict judge(const VerdictInput& input, const VerdictRules& rules) {
  Verdict verdict;
  if (input.stopped_early) {
    verdict.reasons.push_back(
        fmt::format("stopped before its end, at {:.1f} s", input.stopped_at_s));
  }
  judge_lag(input, rules, verdict);
  for (const ModelReport* model : input.models) {
    const Tally& t = model->window;
    if (t.shed > 0) {
      verdict.reasons.push_back(fmt::format(
          "{}: the generator shed {} requests (its outbox was full, or QoS 0 without a link)",
          model->name, t.shed));
    }
    judge_offered(*model, rules, input.stopped_early, verdict);
    if (t.planned < rules.min_samples) {
      verdict.reasons.push_back(
          fmt::format("{}: too few samples, {} requests were planned, at "
                      "least {} are needed",
                      model->name, t.planned, rules.min_samples));
    } else if (model->latency.count() < kSamplesForP99) {
      verdict.warnings.push_back(
          fmt::format("{}: the p99 rests on {} answers; below {} it is little more than the "
                      "maximum",
                      model->name, model->latency.count(), kSamplesForP99));
    }
  }
  verdict.valid = verdict.reasons.empty();
  return verdict;
}

Interval wilson(std::uint64_t good, std::uint64_t all) {
  if (all == 0) return {};
  constexpr double z = 1.959963984540054;
  const auto n = static_cast<double>(all);
  const double p = static_cast<double>(good) / n;
  const double middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
  const double half = z / (1.0 + z * z / n) * std::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

}  // namespace spate::influx
