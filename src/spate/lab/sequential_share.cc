// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/sequential_share.h"

#include <algorithm>
#include <cmath>

#include "spate/base/check.h"

namespace spate::lab {
namespace {

constexpr std::size_t kJoinedBatches = 20;  // about; from twice as many on, neighbours are joined
constexpr int kBisections = 100;
constexpr int kFractionTerms = 500;
constexpr double kFractionPrecision = 1e-14;

// The continued fraction of the incomplete beta function, by Lentz's method.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  const auto guarded = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1.0;
  double d = 1.0 / guarded(1.0 - (a + b) * x / (a + 1.0));
  double result = d;
  for (int m = 1; m <= kFractionTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
    d = 1.0 / guarded(1.0 + even * d);
    c = guarded(1.0 + even / c);
    result *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
    d = 1.0 / guarded(1.0 + odd * d);
    c = guarded(1.0 + odd / c);
    const double change = d * c;
    result *= change;
    if (std::abs(change - 1.0) < kFractionPrecision) break;
  }
  return result;
}

}  // namespace

double incomplete_beta(double a, double b, double x) {
  SPATE_CHECK(a > 0.0 && b > 0.0, "a beta distribution has positive parameters");
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  // The fraction converges quickly on this side of the mean.
  if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(a, b, x) / a;
  return 1.0 - front * beta_fraction(b, a, 1.0 - x) / b;
}

double beta_quantile(double p, double a, double b) {
  double low = 0.0;
  double high = 1.0;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = 0.5 * (low + high);
    (incomplete_beta(a, b, middle) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

double student_quantile(double p, double degrees_of_freedom) {
  SPATE_CHECK(p > 0.0 && p < 1.0 && degrees_of_freedom > 0.0, "a quantile of Student's t");
  if (p < 0.5) return -student_quantile(1.0 - p, degrees_of_freedom);
  // P(|T| > t) = I_x(f / 2, 1 / 2) at x = f / (f + t^2).
  const double x = beta_quantile(2.0 * (1.0 - p), 0.5 * degrees_of_freedom, 0.5);
  return std::sqrt(degrees_of_freedom * (1.0 - x) / x);
}

std::string_view to_string(ShareVerdict verdict) {
  switch (verdict) {
    case ShareVerdict::Above:
      return "above";
    case ShareVerdict::Below:
      return "below";
    case ShareVerdict::Undecided:
      break;
  }
  return "undecided";
}

SequentialShare::SequentialShare(ShareOptions options)
    : options_(options), next_look_(static_cast<std::size_t>(options.first_look)) {
  SPATE_CHECK(options.target > 0.0 && options.target < 1.0 && options.confidence > 0.5 &&
                  options.confidence < 1.0 && options.first_look >= 4 && options.look_growth > 1.0,
              "a target and a confidence between their bounds");
  // The first look's alpha is half of all, see look().
  first_above_ = static_cast<std::size_t>(
      std::ceil(std::log(0.5 * (1.0 - options.confidence)) / std::log(options.target)));
}

ShareVerdict SequentialShare::add(double asked, double in_time) {
  if (asked <= 0.0 || verdict_ != ShareVerdict::Undecided) return verdict_;
  batches_.push_back({asked, std::min(asked, in_time)});
  asked_ += asked;
  in_time_ += std::min(asked, in_time);
  if (batches_.size() < next_look_) return verdict_;
  look();
  next_look_ = std::max(
      batches_.size() + 1,
      static_cast<std::size_t>(std::ceil(options_.look_growth * static_cast<double>(next_look_))));
  if (batches_.size() < first_above_) next_look_ = std::min(next_look_, first_above_);
  return verdict_;
}

// Neighbours summed up, so that at most some 40 are left.
std::vector<SequentialShare::Batch> SequentialShare::joined() const {
  const std::size_t each = std::max<std::size_t>(1, batches_.size() / kJoinedBatches);
  std::vector<Batch> out(batches_.size() / each);
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    Batch& to = out[std::min(i / each, out.size() - 1)];  // what is left over joins the last one
    to.asked += batches_[i].asked;
    to.in_time += batches_[i].in_time;
  }
  return out;
}

void SequentialShare::look() {
  const auto alpha_of = [this](int k) { return (1.0 - options_.confidence) / (k * (k + 1.0)); };
  const double alpha = alpha_of(++looks_);
  const bool may_be_above = batches_.size() >= first_above_;
  const double alpha_above = alpha_of(may_be_above ? ++above_looks_ : 1);
  const double p = share();
  const std::vector<Batch> batches = joined();
  const double count = static_cast<double>(batches.size());
  double squares = 0.0;
  for (const Batch& b : batches) squares += std::pow(b.in_time - p * b.asked, 2);
  const double variance = count / (count - 1.0) * squares / (asked_ * asked_);
  const double independent = p * (1.0 - p) / asked_;
  const bool plain = independent <= 0.0;  // all in time, or none: no variance to be seen
  design_effect_ =
      plain ? asked_ / static_cast<double>(batches_.size()) : std::max(1.0, variance / independent);
  // As many independent requests as these are worth, less for estimating that from few batches.
  const auto worth = [&](double a) {
    const double few = plain ? 1.0
                             : student_quantile(1.0 - a, std::max(1.0, asked_ - 1.0)) /
                                   student_quantile(1.0 - a, count - 1.0);
    return asked_ / design_effect_ * few * few;
  };
  const double n_low = worth(alpha_above);
  const double n_high = worth(alpha);
  low_ = p <= 0.0 ? 0.0 : beta_quantile(alpha_above, p * n_low, (1.0 - p) * n_low + 1.0);
  high_ = p >= 1.0 ? 1.0 : beta_quantile(1.0 - alpha, p * n_high + 1.0, (1.0 - p) * n_high);
  if (may_be_above && low_ > options_.target) verdict_ = ShareVerdict::Above;
  if (high_ < options_.target) verdict_ = ShareVerdict::Below;
}

}  // namespace spate::lab
