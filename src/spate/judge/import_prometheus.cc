// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/csv.h"
#include "spate/judge/bin_sums.h"
#include "spate/judge/prometheus_answer.h"

namespace spate::judge {
namespace {

using Json = nlohmann::json;

Error bad(const std::string& name, const std::string& what) {
  return {ErrorCode::InvalidArgument, name + ": " + what};
}

std::string labels_of(const Json& series) {
  std::string out;
  const auto metric = series.find("metric");
  if (metric != series.end() && metric->is_object()) {
    for (const auto& [key, value] : metric->items()) {
      const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", key, text);
    }
  }
  return "{" + out + "}";
}

Result<RangeSeries> series_of(const Json& series, const std::string& name) {
  const auto values = series.is_object() ? series.find("values") : series.end();
  if (!series.is_object() || values == series.end() || !values->is_array()) {
    return bad(name,
               "a series without \"values\": is this the answer of a range query "
               "(/api/v1/query_range)?");
  }
  RangeSeries out{labels_of(series), {}};
  for (const Json& pair : *values) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_string()) {
      return bad(name, "expected [time, \"value\"], got " + pair.dump());
    }
    const auto value = parse_cell(pair[1].get<std::string>());
    if (!value || *value < 0.0) {
      return bad(name, "a rate of requests must be a number of at least 0, got " + pair.dump());
    }
    if (!out.points.empty() && pair[0].get<double>() <= out.points.back().unix_s) {
      return bad(name, "times must rise, got " + pair.dump());
    }
    out.points.push_back({pair[0].get<double>(), *value});
  }
  return out;
}

// The smallest distance between two points: the query's step. Larger ones are gaps.
double step_of(const std::vector<RangeSeries>& all) {
  double step = 0.0;
  for (const auto& [labels, points] : all) {
    for (std::size_t i = 1; i < points.size(); ++i) {
      const double distance = points[i].unix_s - points[i - 1].unix_s;
      step = step == 0.0 ? distance : std::min(step, distance);
    }
  }
  return step;
}

}  // namespace

std::string error_in_answer(const std::string& text) {
  const Json answer = Json::parse(text, nullptr, false);
  if (!answer.is_object()) return "";
  const auto error = answer.find("error");
  return error != answer.end() && error->is_string() ? error->get<std::string>() : "";
}

Result<std::vector<RangeSeries>> parse_range_answer(const std::string& text,
                                                    const std::string& name) {
  const Json answer = Json::parse(text, nullptr, false);
  if (answer.is_discarded() || !answer.is_object()) return bad(name, "is no JSON object");
  if (answer.value("status", "") != "success") {
    return bad(name, "the query failed: " + answer.value("error", answer.dump().substr(0, 200)));
  }
  const Json data = answer.value("data", Json::object());
  const std::string type = data.is_object() ? data.value("resultType", "") : "";
  if (type != "matrix") {
    return bad(name,
               "expected a range query's answer (resultType \"matrix\"), got \"" + type + "\"");
  }
  std::vector<RangeSeries> out;
  for (const Json& series : data.value("result", Json::array())) {
    auto read = series_of(series, name);
    if (!read) return read.error();
    out.push_back(std::move(read).value());
  }
  return out;
}

Result<Imported> import_prometheus(const std::vector<ImportInput>& files,
                                   const ImportOptions& options) {
  std::vector<RangeSeries> all;
  for (const auto& file : files) {
    auto series = parse_range_answer(file.text, file.name);
    if (!series) return series.error();
    for (auto& s : *series) {
      if (!s.points.empty()) all.push_back(std::move(s));
    }
  }
  const std::string first = files.empty() ? "prometheus" : files.front().name;
  if (all.empty()) return bad(first, "the query found no series");
  const double step = step_of(all);
  if (step <= 0.0) return bad(first, "expected at least two points to tell the step from");
  const auto width = bin_width(options, step);
  if (!width) return width.error();
  // A point of rate(...) or increase(...) looks back over the step that ends at it.
  BinSums sums(*width, all.front().points.front().unix_s - step);
  for (const auto& [labels, points] : all) {
    for (const auto& p : points) {
      sums.add(p.unix_s - step, options.per_second ? p.value * step : p.value);
    }
  }
  Imported out = sums.take();
  out.notes.push_back(fmt::format("{} series with a step of {:g} s, values taken as {}", all.size(),
                                  step, options.per_second ? "requests per second" : "counts"));
  return out;
}

}  // namespace spate::judge
