// SPDX-License-Identifier: Apache-2.0
//
// The answer of Prometheus' /api/v1/query_range. Internal to the importers.
#pragma once

#include <string>
#include <vector>

#include "spate/base/result.h"

namespace spate::judge {

struct RangePoint {
  double unix_s = 0.0;
  double value = 0.0;  // >= 0
};
struct RangeSeries {
  std::string labels;              // {job="shop"}
  std::vector<RangePoint> points;  // times rise
};

// InvalidArgument "name: ..." for what is no such answer, a failed query, NaN and negative values.
Result<std::vector<RangeSeries>> parse_range_answer(const std::string& text,
                                                    const std::string& name);

// The words of an answer that says "error"; "" when it is none.
std::string error_in_answer(const std::string& text);

}  // namespace spate::judge
