// SPDX-License-Identifier: Apache-2.0
//
// Statistics for comparing strategies on the same demands and seeds. All are deterministic: equal
// inputs and seed give equal results.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace spate::judge {

struct Interval {
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
  double confidence = 0.95;
};

struct BootstrapOptions {
  double confidence = 0.95;
  int resamples = 4000;  // an end at 2.5 % is then the 100th value: +-10 % of its tail
  std::uint64_t seed = 1;
};

// Bootstrap interval of the mean: BCa (bias-corrected and accelerated; Efron 1987), whose
// ends are the smallest and largest resample where the data are too few for it. A single value
// gives an interval of width 0 that says nothing; callers state the count. Requires values, 0 <
// confidence < 1, resamples >= 100.
Interval bootstrap_mean(const std::vector<double>& values, const BootstrapOptions& options = {});

inline constexpr int kPermutationDraws = 10000;

// Two-sided p-value for "the pairs' differences are symmetric about 0", by flipping signs: exact
// over all 2^n when n <= 16, else `draws` random ones ((hits + 1) / (draws + 1), Davison and
// Hinkley 1997). 1 when all differences are 0 or there are none.
double paired_permutation_p(const std::vector<double>& differences, std::uint64_t seed = 1,
                            int draws = kPermutationDraws);

// Smallest p that paired_permutation_p can give with n pairs and its own number of draws: 2 / 2^n,
// and 1 / (draws + 1) where signs are drawn. Below six pairs nothing can be significant at 0.05.
double smallest_permutation_p(std::size_t pairs);

// The fewest pairs with which any of `comparisons` can be significant at `alpha` after Holm's
// correction. Unset when no number of pairs can: so many comparisons are beyond what draws show.
std::optional<std::size_t> pairs_to_resolve(std::size_t comparisons, double alpha = 0.05);

// Holm (1979): p-values corrected for being many, in the order given. Never above 1.
std::vector<double> holm(const std::vector<double>& p_values);

// How many pairs are needed so that a true mean difference of `difference` is found with
// probability `power` at two-sided `alpha`, as one of `comparisons` (>= 1) whatever the others
// show: from the differences seen, at alpha / comparisons (normal approximation), and never fewer
// than pairs_to_resolve(). Unset with fewer than two differences, with difference == 0 and where
// draws cannot show a p that small.
std::optional<std::size_t> pairs_needed(const std::vector<double>& differences, double difference,
                                        std::size_t comparisons, double alpha = 0.05,
                                        double power = 0.8);

// How many values are needed for an interval of the mean that is `half_width` wide to either side,
// from the spread of those seen (normal approximation; at least 2). Unset with fewer than two
// values. Requires half_width > 0.
std::optional<std::size_t> runs_needed(const std::vector<double>& values, double half_width,
                                       double confidence = 0.95);

// --- ranking --------------------------------------------------------------------------------

struct Contender {
  std::string name;
  std::vector<double> scores;  // per block (demand x seed); all contenders have the same blocks
};

struct Ranked {
  std::string name;
  Interval score;
  int rank = 1;                   // 1 + how many are better beyond doubt
  std::vector<std::string> tied;  // with whom the data cannot tell
};

struct Ranking {
  std::vector<Ranked> order;  // by mean score, best first
  // Corrected p of order[i] against order[j], i < j, at [i][j - i - 1].
  std::vector<std::vector<double>> p;
  std::size_t blocks = 0;
  // Set when so few blocks cannot show any difference at `alpha` after the correction.
  bool too_few = false;
};

// `lower_is_better`: costs. Pairs are compared on common blocks, corrected for all pairs together.
Ranking rank(const std::vector<Contender>& contenders, bool lower_is_better, double alpha = 0.05,
             std::uint64_t seed = 1);

// Inverse of the standard normal distribution, by Halley's method. Requires 0 < p < 1.
double normal_quantile(double p);
double normal_cdf(double x);

}  // namespace spate::judge
