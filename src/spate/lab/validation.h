// SPDX-License-Identifier: Apache-2.0
//
// Validation: how far simulated figures lie from live ones, line by line (scenario x strategy x
// model). docs/validation.md has the method and its reasons.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/judge/statistics.h"
#include "spate/lab/results.h"

namespace spate::lab {

struct Tolerance {
  double attainment_points = 3.0;    // of SLO attainment, simulated less live mean, either way
  double cost_ratio = 0.05;          // of cost, relative to the live mean
  double quantile_confidence = 0.9;  // of the prediction interval of p50 and p99
};

// Unknown: there are too few runs, or no answers, to tell.
enum class Within { Yes, No, Unknown };
const char* to_string(Within within);  // "yes" | "no" | "unknown"

// A mean against a mean.
struct MeanCheck {
  std::optional<double> live;
  std::optional<double> simulated;
  std::optional<double> difference;  // simulated less live: points, or a ratio of the live mean
  Within within = Within::Unknown;
};

// The mean of the simulated runs' quantiles against where one more live run's would lie.
struct QuantileCheck {
  std::optional<judge::Interval> live;  // its `mean` is the live runs'
  std::optional<double> simulated;
  int simulated_runs = 0;         // that have the quantile
  int simulated_runs_inside = 0;  // of the single simulated runs, for information
  Within within = Within::Unknown;
};

struct ValidationLine {
  std::string scenario;
  std::string strategy;
  std::string model;
  bool scaled = false;
  int live_runs = 0;       // valid ones
  int disturbed_runs = 0;  // of those
  int simulated_runs = 0;
  MeanCheck attainment;  // 0 to 1; difference in points
  MeanCheck cost;
  QuantileCheck p50_ms;
  QuantileCheck p99_ms;

  // No when any of the four is no, else unknown when any is.
  Within within() const;
};

// One strategy on one scenario. Uses the valid runs only; lines in the order of the models.
std::vector<ValidationLine> validate_runs(const std::string& scenario, const std::string& strategy,
                                          const std::vector<std::string>& models,
                                          const std::vector<RunResult>& live,
                                          const std::vector<RunResult>& simulated,
                                          const Tolerance& tolerance = {});

struct ValidationCount {
  int lines = 0;
  int lines_within = 0;
  int lines_unknown = 0;
  int figures = 0;  // four a line
  int figures_within = 0;
  int figures_unknown = 0;
  bool all_within() const { return lines > 0 && lines_within == lines; }
};
ValidationCount count(const std::vector<ValidationLine>& lines);

nlohmann::json to_json(const ValidationLine& line);
nlohmann::json to_json(const ValidationCount& count);

// "41 of 48 lines within, 3 cannot be told; 180 of 192 figures."
std::string verdict_text(const ValidationCount& count);

// A row per line, then the verdict. What misses is marked with "!", what cannot be told with "?".
std::string validation_table(const std::vector<ValidationLine>& lines);

}  // namespace spate::lab
