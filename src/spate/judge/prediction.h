// SPDX-License-Identifier: Apache-2.0
//
// Prediction intervals: where one more value of the same kind would lie. `spate validate` asks so
// whether a simulated figure could have been that of one more live run.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <vector>

#include "spate/judge/statistics.h"

namespace spate::judge {

// Inverse of Student's t distribution. Requires 0 < p < 1 and degrees >= 1.
double student_t_quantile(double p, int degrees);

// Two-sided interval for one further value, independent of `values` and as normal as they are:
//
//   mean +- t(1 - (1 - confidence)/2, n - 1) * s * sqrt(1 + 1/n)
//
// with s the sample's standard deviation (Hahn and Meeker, "Statistical Intervals", 1991, chapter
// 4.7, for one future observation). Unset for fewer than two values: one says nothing of
// the spread. Few values make it wide: at 90 % the half width is 7.7 s for 2, 3.4 s for 3 and
// 2.3 s for 5. Requires 0 < confidence < 1.
std::optional<Interval> prediction_interval(const std::vector<double>& values,
                                            double confidence = 0.9);

}  // namespace spate::judge
