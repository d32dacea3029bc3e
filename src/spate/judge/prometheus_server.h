// SPDX-License-Identifier: Apache-2.0
//
// A trace from a Prometheus server: a range query, asked in pieces that the server allows, as the
// bins that profiles replay. docs/traces.md shows it; `spate trace import prometheus --url` uses
// it.
//
// Threads: pure but for `fetch`, which is called one after the other.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "spate/judge/trace_import.h"

namespace spate::judge {

struct RangeQuery {
  std::string url;       // http://HOST[:PORT][/PREFIX], where /api/v1/query_range follows
  std::string query;     // must give one series: wrap it in sum(...)
  double start_s = 0.0;  // Unix seconds of the first and the last point
  double end_s = 0.0;
  double step_s = 0.0;
};

struct Fetched {
  int status = 0;  // of HTTP
  std::string body;
};
using Fetch = std::function<Result<Fetched>(const std::string& url)>;

// Points of a series in one answer at most: Prometheus refuses more than 11 000.
inline constexpr int kMostPoints = 11'000;

// The addresses to ask, in order of time. InvalidArgument: an empty query, times that do not rise,
// a step that is not above 0, more than 10 000 000 points.
Result<std::vector<std::string>> range_urls(const RangeQuery& query);

// Asks and reads. The value at time t stands for the step that ends at t, as rate(...) and
// increase(...) over that step do; points that are missing are left out and counted. Errors: what
// range_urls() and `fetch` say; Unavailable with Prometheus' own words when it refuses;
// InvalidArgument for no series, several series (named), and fewer than two points.
Result<Imported> import_range_query(const RangeQuery& query, const ImportOptions& options,
                                    const Fetch& fetch);

}  // namespace spate::judge
