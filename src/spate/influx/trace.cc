// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "spate/base/csv.h"
#include "spate/base/text_file.h"

namespace spate::influx {
namespace {

Error bad(const std::string& name, std::size_t line, const std::string& what) {
  return {ErrorCode::InvalidArgument, fmt::format("{}:{}: {}", name, line, what)};
}

// Seconds, or requests in a bin: far beyond any record, far below where arithmetic breaks.
constexpr double kMost = 1e15;

struct Row {
  double at_s;
  double requests;
};

// The rows of a trace as its text comes.
class Rows {
 public:
  explicit Rows(const std::string& name)
      : name_(name), csv_(name, [this](std::vector<std::string>& cells, std::size_t line) {
          last_line_ = line;
          return header_seen_ ? row(cells, line) : header(cells);
        }) {}

  Status feed(std::string_view piece) { return csv_.feed(piece); }
  Result<std::vector<Row>> finish() {
    if (Status s = csv_.finish(); !s) return s.error();
    if (rows_.size() >= 2) return std::move(rows_);
    return bad(name_, rows_.empty() ? 1 : last_line_,
               "a trace needs at least two rows (their distance is the width of a bin)");
  }

 private:
  Status header(const std::vector<std::string>& cells) {
    header_seen_ = true;
    for (const auto& [column, place] : {std::pair{"t_s", &time_}, {"requests", &count_}}) {
      const auto found = std::find(cells.begin(), cells.end(), column);
      if (found == cells.end()) {
        return bad(name_, 1,
                   "a trace starts with a header that names the columns t_s (start of the bin in "
                   "seconds) and requests (how many in the bin); \"" +
                       std::string(column) + "\" is not there");
      }
      *place = static_cast<std::size_t>(found - cells.begin());
    }
    return ok();
  }

  Status row(const std::vector<std::string>& cells, std::size_t line) {
    const std::string& time_cell = cells[time_];
    const std::string& count_cell = cells[count_];
    const auto t = parse_cell(time_cell);
    if (!t) return bad(name_, line, "t_s is no number: \"" + time_cell + "\"");
    const auto n = parse_cell(count_cell);
    if (!n) return bad(name_, line, "requests is no number: \"" + count_cell + "\"");
    if (std::abs(*t) > kMost || *n > kMost) {
      return bad(name_, line, fmt::format("a number above {:g} makes no sense here", kMost));
    }
    if (*n < 0.0) return bad(name_, line, "requests is negative: " + count_cell);
    if (!rows_.empty() && *t <= rows_.back().at_s) {
      return bad(
          name_, line,
          fmt::format("t_s must rise from row to row, {} follows {}", *t, rows_.back().at_s));
    }
    rows_.push_back({*t, *n});
    return ok();
  }

  std::string name_;
  bool header_seen_ = false;
  std::size_t time_ = 0;
  std::size_t count_ = 0;
  std::size_t last_line_ = 1;
  std::vector<Row> rows_;
  CsvParser csv_;
};

double median_step(const std::vector<Row>& rows) {
  std::vector<double> steps;
  for (std::size_t i = 1; i < rows.size(); ++i) steps.push_back(rows[i].at_s - rows[i - 1].at_s);
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  return *middle;
}

TraceReport report_of(const Trace& trace, double bin_s) {
  TraceReport r;
  r.bin_s = bin_s;
  double rate_sum = 0.0;
  double rate_squares = 0.0;
  double count_squares = 0.0;
  std::size_t zero_run = 0;
  double zero_from = 0.0;
  for (std::size_t i = 0; i < trace.bins.size(); ++i) {
    const TraceBin& bin = trace.bins[i];
    r.length_s = bin.from_s + bin.length_s;
    if (trace.missing[i]) {
      r.missing_bins += static_cast<std::size_t>(std::llround(bin.length_s / bin_s));
      continue;
    }
    ++r.bins;
    r.requests += bin.requests;
    const double rate = bin.requests / bin.length_s;
    rate_sum += rate;
    rate_squares += rate * rate;
    count_squares += bin.requests * bin.requests;
    r.peak_per_s = std::max(r.peak_per_s, rate);
    if (bin.requests > 0.0) {
      zero_run = 0;
      continue;
    }
    ++r.zero_bins;
    if (zero_run++ == 0) zero_from = bin.from_s;
    if (zero_run > r.longest_zero_run) {
      r.longest_zero_run = zero_run;
      r.longest_zero_run_from_s = zero_from;
    }
  }
  const auto n = static_cast<double>(r.bins);
  const double mean = rate_sum / n;
  const double mean_count = r.requests / n;
  r.mean_per_s = r.requests / r.length_s;
  if (mean > 0.0) {
    r.cv = std::sqrt(std::max(0.0, rate_squares / n - mean * mean)) / mean;
    r.fano = std::max(0.0, count_squares / n - mean_count * mean_count) / mean_count;
  }
  return r;
}

Result<Trace> trace_of(const Result<std::vector<Row>>& rows) {
  if (!rows) return rows.error();
  const double bin_s = median_step(*rows);
  Trace trace;
  const double origin = rows->front().at_s;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const Row& row = (*rows)[i];
    const bool last = i + 1 == rows->size();
    const double step = last ? bin_s : (*rows)[i + 1].at_s - row.at_s;
    // A step of two bins or more means that rows are missing: the count belongs to one bin.
    const bool gap = step >= 1.999 * bin_s;
    const double width = gap ? bin_s : step;
    trace.bins.push_back({row.at_s - origin, width, row.requests});
    trace.missing.push_back(false);
    if (gap) {
      trace.bins.push_back({row.at_s - origin + width, step - width, 0.0});
      trace.missing.push_back(true);
    }
  }
  trace.report = report_of(trace, bin_s);
  return trace;
}

}  // namespace

Result<Trace> parse_trace(std::string_view text, const std::string& name) {
  Rows rows(name);
  if (Status s = rows.feed(text); !s) return s.error();
  return trace_of(rows.finish());
}

Result<Trace> read_trace(const std::filesystem::path& file) {
  Rows rows(file.string());
  if (Status s = read_text_pieces(file, [&](std::string_view piece) { return rows.feed(piece); });
      !s) {
    return s.error();
  }
  return trace_of(rows.finish());
}

std::size_t bridge_gaps(Trace& trace, std::size_t zero_run) {
  std::size_t changed = 0;
  auto& bins = trace.bins;
  for (std::size_t i = 0; i < bins.size();) {
    if (bins[i].requests > 0.0) {
      ++i;
      continue;
    }
    std::size_t end = i;
    bool skipped = false;
    while (end < bins.size() && bins[end].requests == 0.0) skipped |= trace.missing[end++];
    const bool inside = i > 0 && end < bins.size();
    if (inside && (skipped || (zero_run > 0 && end - i >= zero_run))) {
      const TraceBin& left = bins[i - 1];
      const TraceBin& right = bins[end];
      const double from = left.from_s + 0.5 * left.length_s;
      const double to = right.from_s + 0.5 * right.length_s;
      const double left_rate = left.requests / left.length_s;
      const double right_rate = right.requests / right.length_s;
      for (std::size_t k = i; k < end; ++k, ++changed) {
        const double middle = bins[k].from_s + 0.5 * bins[k].length_s;
        const double share = (middle - from) / (to - from);
        bins[k].requests = (left_rate + share * (right_rate - left_rate)) * bins[k].length_s;
      }
    }
    i = end;
  }
  return changed;
}

std::string describe(const TraceReport& r) {
  std::string text =
      fmt::format("{} bins of {:.6g} s, {:.4g}/s mean, {:.4g}/s peak, CV {:.2f}, Fano {:.3g}",
                  r.bins, r.bin_s, r.mean_per_s, r.peak_per_s, r.cv, r.fano);
  if (r.zero_bins > 0) {
    text += fmt::format("; {} empty bins, the longest run {} bins from {:.6g} s", r.zero_bins,
                        r.longest_zero_run, r.longest_zero_run_from_s);
  }
  if (r.missing_bins > 0)
    text += fmt::format("; {} bins are missing from the file", r.missing_bins);
  return text;
}

}  // namespace spate::influx
