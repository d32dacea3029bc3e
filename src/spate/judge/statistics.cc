// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "spate/base/check.h"
#include "spate/base/rng.h"

namespace spate::judge {
namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> resampled_means(const std::vector<double>& values,
                                    const BootstrapOptions& options) {
  Rng rng(options.seed, "bootstrap");
  std::vector<double> means(static_cast<std::size_t>(options.resamples));
  for (double& mean : means) {
    double sum = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      sum += values[static_cast<std::size_t>(rng.below(values.size()))];
    }
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  return means;
}

// Acceleration of the mean by the jackknife: how skewed the values are.
double acceleration(const std::vector<double>& values, double mean) {
  double cubes = 0.0;
  double squares = 0.0;
  for (const double v : values) {
    const double d = (v - mean) / static_cast<double>(values.size() - 1);
    cubes += d * d * d;
    squares += d * d;
  }
  return squares > 0.0 ? cubes / (6.0 * std::pow(squares, 1.5)) : 0.0;
}

double at_share(const std::vector<double>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::clamp(std::round(share * last), 0.0, last))];
}

// With so many pairs all signs are tried, beyond it some are drawn.
constexpr std::size_t kExactUpTo = 16;

}  // namespace

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double normal_quantile(double p) {
  SPATE_CHECK(p > 0.0 && p < 1.0, "a probability between 0 and 1");
  // A start from the logistic curve, then Halley's steps on the exact function.
  double x = std::log(p / (1.0 - p)) / 1.702;
  for (int i = 0; i < 60; ++i) {
    const double error = normal_cdf(x) - p;
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * M_PI);
    if (density <= 0.0) break;
    const double u = error / density;
    const double step = u / (1.0 + 0.5 * x * u);
    x -= step;
    if (std::abs(step) < 1e-14 * std::max(1.0, std::abs(x))) break;
  }
  return x;
}

Interval bootstrap_mean(const std::vector<double>& values, const BootstrapOptions& options) {
  SPATE_CHECK(!values.empty() && options.resamples >= 100, "values and at least 100 resamples");
  SPATE_CHECK(options.confidence > 0.0 && options.confidence < 1.0, "a confidence between 0 and 1");
  const double mean = mean_of(values);
  Interval out{mean, mean, mean, options.confidence};
  if (values.size() < 2) return out;
  const auto means = resampled_means(values, options);
  const auto below = std::lower_bound(means.begin(), means.end(), mean);
  const auto not_above = std::upper_bound(means.begin(), means.end(), mean);
  // Resamples that equal the mean count half: the values may be few and whole.
  const double share =
      (static_cast<double>(below - means.begin()) + 0.5 * static_cast<double>(not_above - below)) /
      static_cast<double>(means.size());
  const double half = 0.5 / static_cast<double>(means.size());
  const double bias = normal_quantile(std::clamp(share, half, 1.0 - half));
  const double a = acceleration(values, mean);
  const auto adjusted = [&](double tail) {
    const double z = bias + normal_quantile(tail);
    const double shrink = 1.0 - a * z;
    // Beyond this the correction turns round: the extreme resample is the most that can be said.
    if (shrink <= 0.0) return tail < 0.5 ? 0.0 : 1.0;
    return normal_cdf(bias + z / shrink);
  };
  const double tail = 0.5 * (1.0 - options.confidence);
  out.low = at_share(means, adjusted(tail));
  out.high = at_share(means, adjusted(1.0 - tail));
  return out;
}

double paired_permutation_p(const std::vector<double>& differences, std::uint64_t seed, int draws) {
  double size = 0.0;
  for (const double d : differences) size += std::abs(d);
  if (size == 0.0) return 1.0;
  const double seen = std::abs(std::accumulate(differences.begin(), differences.end(), 0.0));
  const double enough = seen - 1e-12 * size;  // sums in another order round differently
  const std::size_t n = differences.size();
  if (n <= kExactUpTo) {
    const std::size_t all = std::size_t{1} << n;
    std::size_t hits = 0;
    for (std::size_t signs = 0; signs < all; ++signs) {
      double sum = 0.0;
      for (std::size_t i = 0; i < n; ++i) {
        sum += (signs >> i & 1U) != 0U ? -differences[i] : differences[i];
      }
      hits += std::abs(sum) >= enough ? 1 : 0;
    }
    return static_cast<double>(hits) / static_cast<double>(all);
  }
  Rng rng(seed, "permutation");
  int hits = 0;
  for (int draw = 0; draw < draws; ++draw) {
    double sum = 0.0;
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (i % 64 == 0) bits = rng.next();
      sum += (bits >> (i % 64) & 1U) != 0U ? -differences[i] : differences[i];
    }
    hits += std::abs(sum) >= enough ? 1 : 0;
  }
  return (hits + 1.0) / (draws + 1.0);
}

double smallest_permutation_p(std::size_t pairs) {
  if (pairs > kExactUpTo) return 1.0 / (kPermutationDraws + 1.0);
  return std::min(1.0, std::ldexp(2.0, -static_cast<int>(pairs)));
}

std::optional<std::size_t> pairs_to_resolve(std::size_t comparisons, double alpha) {
  // More pairs than these only add draws of the same number.
  for (std::size_t pairs = 1; pairs <= kExactUpTo + 1; ++pairs) {
    if (smallest_permutation_p(pairs) * static_cast<double>(comparisons) <= alpha) return pairs;
  }
  return std::nullopt;
}

std::vector<double> holm(const std::vector<double>& p_values) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> out(p_values.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double corrected = static_cast<double>(order.size() - i) * p_values[order[i]];
    largest = std::max(largest, std::min(1.0, corrected));
    out[order[i]] = largest;
  }
  return out;
}

namespace {

// Requires at least two values.
double variance_of(const std::vector<double>& values) {
  const double mean = mean_of(values);
  double squares = 0.0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return squares / static_cast<double>(values.size() - 1);
}

std::size_t whole(double n) {
  return static_cast<std::size_t>(std::clamp(std::ceil(n), 2.0, 1e12));
}

}  // namespace

std::optional<std::size_t> pairs_needed(const std::vector<double>& differences, double difference,
                                        std::size_t comparisons, double alpha, double power) {
  SPATE_CHECK(comparisons >= 1, "at least one comparison");
  const auto least = pairs_to_resolve(comparisons, alpha);
  if (differences.size() < 2 || difference == 0.0 || !least) return std::nullopt;
  const double each = alpha / static_cast<double>(comparisons);
  const double z = normal_quantile(1.0 - each / 2.0) + normal_quantile(power);
  const std::size_t needed =
      std::max(*least, whole(z * z * variance_of(differences) / (difference * difference)));
  // So many that signs are drawn, and too many comparisons for what draws can show.
  if (smallest_permutation_p(needed) > each) return std::nullopt;
  return needed;
}

std::optional<std::size_t> runs_needed(const std::vector<double>& values, double half_width,
                                       double confidence) {
  SPATE_CHECK(half_width > 0.0, "a half-width above 0");
  if (values.size() < 2) return std::nullopt;
  const double z = normal_quantile(0.5 + confidence / 2.0);
  return whole(z * z * variance_of(values) / (half_width * half_width));
}

Ranking rank(const std::vector<Contender>& contenders, bool lower_is_better, double alpha,
             std::uint64_t seed) {
  Ranking out;
  if (contenders.empty()) return out;
  out.blocks = contenders.front().scores.size();
  for (const auto& c : contenders)
    SPATE_CHECK(c.scores.size() == out.blocks, "all contenders have the same blocks");
  SPATE_CHECK(out.blocks > 0, "at least one block");
  std::vector<std::size_t> order(contenders.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const double direction = lower_is_better ? 1.0 : -1.0;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return direction * mean_of(contenders[a].scores) < direction * mean_of(contenders[b].scores);
  });
  std::vector<double> raw;
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::size_t j = i + 1; j < order.size(); ++j) {
      std::vector<double> differences(out.blocks);
      for (std::size_t b = 0; b < out.blocks; ++b) {
        differences[b] = contenders[order[j]].scores[b] - contenders[order[i]].scores[b];
      }
      raw.push_back(paired_permutation_p(differences, seed));
    }
  }
  const auto corrected = holm(raw);
  out.too_few =
      !raw.empty() && smallest_permutation_p(out.blocks) * static_cast<double>(raw.size()) > alpha;
  BootstrapOptions bootstrap;
  bootstrap.seed = seed;
  for (const std::size_t i : order) {
    out.order.push_back(
        {contenders[i].name, bootstrap_mean(contenders[i].scores, bootstrap), 1, {}});
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    out.p.emplace_back();
    for (std::size_t j = i + 1; j < order.size(); ++j) {
      const double p = corrected[next++];
      out.p.back().push_back(p);
      if (p <= alpha) {
        ++out.order[j].rank;
      } else {
        out.order[i].tied.push_back(out.order[j].name);
        out.order[j].tied.push_back(out.order[i].name);
      }
    }
  }
  return out;
}

}  // namespace spate::judge
