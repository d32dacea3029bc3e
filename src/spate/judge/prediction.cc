// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/prediction.h"

#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "spate/base/check.h"

namespace spate::judge {

double student_t_quantile(double p, int degrees) {
  SPATE_CHECK(p > 0.0 && p < 1.0 && degrees >= 1, "a probability between 0 and 1, degrees >= 1");
  return boost::math::quantile(boost::math::students_t(degrees), p);
}

std::optional<Interval> prediction_interval(const std::vector<double>& values, double confidence) {
  SPATE_CHECK(confidence > 0.0 && confidence < 1.0, "a confidence between 0 and 1");
  if (values.size() < 2) return std::nullopt;
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0.0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const double deviation = std::sqrt(squares / (n - 1.0));
  const double t =
      student_t_quantile(1.0 - (1.0 - confidence) / 2.0, static_cast<int>(values.size()) - 1);
  const double half = t * deviation * std::sqrt(1.0 + 1.0 / n);
  return Interval{mean, mean - half, mean + half, confidence};
}

}  // namespace spate::judge
