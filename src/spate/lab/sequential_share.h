// SPDX-License-Identifier: Apache-2.0
//
// SequentialShare: is the share of requests in time above a target or below it? It looks at the
// data as they come and says so as soon as they allow it, with a stated chance of being wrong.
//
//   Requests come in batches (one a second, say) and those of one batch have much in common: a
//   queue that is long now is long for all of them. So the variance of the share is estimated from
//   the batches' means (batch means, joined to about 20 as the run grows longer), the ratio to
//   that of independent requests is the design effect, and the interval is the exact binomial one
//   (Clopper and Pearson 1934) for the number of independent requests that are worth as much
//   (Korn and Graubard 1998, with Student's quantiles for the few batches).
//
//   Looking often would find something by chance, so look k may err with probability
//   alpha / (k (k + 1)) on either side only: these sum to alpha = 1 - confidence. A verdict that
//   is wrong (above when the true share is at or below the target, or the reverse) has about that
//   probability at most, as far as the batches are independent of each other.
//
//   While all has been in time nothing tells how trouble will come: a batch then counts as one
//   request. For the same reason "above" is not said, and its looks are not counted, before so many
//   batches that all of them in time would do: 72 for a target of 0.95 at 95 %, 36 for 0.9.
//
// Like MLPerf's early stopping it ends when the interval lies wholly on one side of the target.
//
// Threads: one at a time.
#pragma once

#include <string_view>
#include <vector>

namespace spate::lab {

enum class ShareVerdict { Undecided, Above, Below };
std::string_view to_string(ShareVerdict verdict);  // "undecided", "above", "below"

struct ShareOptions {
  double target = 0.95;      // above 0, below 1
  double confidence = 0.95;  // of a verdict, above 0.5, below 1
  int first_look = 10;       // batches, at least 4
  double look_growth = 1.3;  // each look at so many times the batches of the one before, above 1
};

class SequentialShare {
 public:
  explicit SequentialShare(ShareOptions options);

  // The next batch: `in_time` of `asked`; batches without requests are left out. Returns the
  // verdict, which does not change once there is one.
  ShareVerdict add(double asked, double in_time);
  ShareVerdict verdict() const { return verdict_; }

  double asked() const { return asked_; }
  double share() const { return asked_ > 0.0 ? in_time_ / asked_ : 0.0; }
  std::size_t batches() const { return batches_.size(); }
  int looks() const { return looks_; }
  // As of the last look: the interval that was compared with the target, [0, 1] before the first.
  double low() const { return low_; }
  double high() const { return high_; }
  double design_effect() const { return design_effect_; }

 private:
  struct Batch {
    double asked = 0.0;
    double in_time = 0.0;
  };
  void look();
  std::vector<Batch> joined() const;

  ShareOptions options_;
  std::vector<Batch> batches_;
  double asked_ = 0.0;
  double in_time_ = 0.0;
  std::size_t next_look_ = 0;
  int looks_ = 0;
  int above_looks_ = 0;          // those that may say "above"
  std::size_t first_above_ = 0;  // batches
  double low_ = 0.0;
  double high_ = 1.0;
  double design_effect_ = 1.0;
  ShareVerdict verdict_ = ShareVerdict::Undecided;
};

// Regularised incomplete beta function I_x(a, b), a and b > 0, 0 <= x <= 1, by its continued
// fraction (Abramowitz and Stegun 26.5.8).
double incomplete_beta(double a, double b, double x);
// Quantiles by bisection. 0 < p < 1.
double beta_quantile(double p, double a, double b);
double student_quantile(double p, double degrees_of_freedom);

}  // namespace spate::lab
