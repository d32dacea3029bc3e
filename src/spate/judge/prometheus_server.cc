// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/prometheus_server.h"

#include <fmt/format.h>

#include <cmath>

#include "spate/judge/bin_sums.h"
#include "spate/judge/prometheus_answer.h"
#include "spate/judge/time_text.h"

namespace spate::judge {
namespace {

constexpr double kMostPointsInAll = 1e7;
constexpr int kOk = 200;

Error invalid(const std::string& what) { return {ErrorCode::InvalidArgument, what}; }

// For a query's value in a URL: all but letters, digits and -._~ as %XX.
std::string percent_encoded(const std::string& text) {
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return out;
}

Error several_series(const std::vector<RangeSeries>& series) {
  constexpr std::size_t kNamed = 3;
  std::string names;
  for (std::size_t i = 0; i < std::min(kNamed, series.size()); ++i) {
    names += (i > 0 ? ", " : "") + series[i].labels;
  }
  return invalid(
      fmt::format("the query gives {} series ({}{}); a trace is one: wrap it in sum(...)",
                  series.size(), names, series.size() > kNamed ? ", …" : ""));
}

// The points of all answers together.
Result<std::vector<RangePoint>> ask(const RangeQuery& query, const Fetch& fetch) {
  const auto urls = range_urls(query);
  if (!urls) return urls.error();
  std::vector<RangePoint> out;
  std::string labels;
  for (const std::string& url : *urls) {
    const auto answer = fetch(url);
    if (!answer) {
      return Error{answer.error().code, query.url + ": " + answer.error().message};
    }
    if (answer->status != kOk) {
      const std::string words = error_in_answer(answer->body);
      return Error{ErrorCode::Unavailable,
                   fmt::format("{} answered HTTP {}{}", query.url, answer->status,
                               words.empty() ? ": is this a Prometheus server?" : ": " + words)};
    }
    auto series = parse_range_answer(answer->body, query.url);
    if (!series) return series.error();
    if (series->size() > 1) return several_series(*series);
    if (series->empty()) continue;
    if (!out.empty() && series->front().labels != labels) {
      return several_series({{labels, {}}, series->front()});
    }
    labels = series->front().labels;
    const auto& points = series->front().points;
    out.insert(out.end(), points.begin(), points.end());
  }
  return out;
}

}  // namespace

Result<std::vector<std::string>> range_urls(const RangeQuery& query) {
  if (query.query.find_first_not_of(" \t\n") == std::string::npos) {
    return invalid("the query is empty");
  }
  if (!std::isfinite(query.step_s) || query.step_s < 1e-3) {
    return invalid(fmt::format("the step must be at least 0.001 s, got {:g} s", query.step_s));
  }
  if (!(query.end_s > query.start_s)) {
    return invalid(fmt::format("the end ({}) must be after the start ({})", time_text(query.end_s),
                               time_text(query.start_s)));
  }
  const double points = std::floor((query.end_s - query.start_s) / query.step_s + 1e-9) + 1.0;
  if (points > kMostPointsInAll) {
    return invalid(fmt::format("{:.0f} points are more than {:.0f}: take a larger step", points,
                               kMostPointsInAll));
  }
  std::string base = query.url;
  while (!base.empty() && base.back() == '/') base.pop_back();
  std::vector<std::string> out;
  // Times to the millisecond, as Prometheus keeps them.
  for (double first = 0.0; first < points; first += kMostPoints) {
    const double last = std::min(points, first + kMostPoints) - 1.0;
    out.push_back(fmt::format("{}/api/v1/query_range?query={}&start={:.3f}&end={:.3f}&step={:.3f}",
                              base, percent_encoded(query.query),
                              query.start_s + first * query.step_s,
                              query.start_s + last * query.step_s, query.step_s));
  }
  return out;
}

Result<Imported> import_range_query(const RangeQuery& query, const ImportOptions& options,
                                    const Fetch& fetch) {
  const auto width = bin_width(options, query.step_s);
  if (!width) return width.error();
  const auto points = ask(query, fetch);
  if (!points) return points.error();
  if (points->empty()) {
    return invalid(fmt::format("the query found nothing from {} to {}: {}",
                               time_text(query.start_s), time_text(query.end_s), query.query));
  }
  if (points->size() < 2) return invalid("the query found a single point; a trace needs two");
  BinSums sums(*width, query.start_s - query.step_s);
  for (const auto& p : *points) {
    sums.add(p.unix_s - query.step_s, options.per_second ? p.value * query.step_s : p.value);
  }
  Imported out = sums.take();
  const double asked = std::floor((query.end_s - query.start_s) / query.step_s + 1e-9) + 1.0;
  out.notes.push_back(fmt::format("{} of {:.0f} points with a step of {:g} s, values taken as {}",
                                  points->size(), asked, query.step_s,
                                  options.per_second ? "requests per second" : "counts"));
  return with_report(std::move(out), "prometheus");
}

}  // namespace spate::judge
