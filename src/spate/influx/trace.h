// SPDX-License-Identifier: Apache-2.0
//
// Trace: recorded demand, requests per bin of time, from a CSV file with the columns `t_s`
// (start of the bin in seconds) and `requests` (count in the bin; fractions allowed). Further
// columns are ignored. Used by profiles of kind `trace`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "spate/base/result.h"

namespace spate::influx {

struct TraceBin {
  double from_s = 0.0;  // from the trace's first bin
  double length_s = 0.0;
  double requests = 0.0;
};

// What a person should know before they trust a trace: archives show gaps in the collection as
// idle demand.
struct TraceReport {
  std::size_t bins = 0;
  double bin_s = 0.0;  // the usual (median) width
  double length_s = 0.0;
  double requests = 0.0;
  double mean_per_s = 0.0;
  double peak_per_s = 0.0;  // of one bin
  double cv = 0.0;          // of the bins' rates
  double fano = 0.0;        // variance over mean of the counts
  std::size_t zero_bins = 0;
  std::size_t longest_zero_run = 0;  // bins in a row without a request
  double longest_zero_run_from_s = 0.0;
  std::size_t missing_bins = 0;  // bins that the file skips, by its usual width
};

struct Trace {
  std::vector<TraceBin> bins;  // contiguous: a skipped stretch is a bin of its own
  std::vector<bool> missing;   // which bins are such stretches
  TraceReport report;
};

// InvalidArgument "file:line: ..." for a missing header or column, a count below 0, times that
// do not rise, cells that are no numbers or fewer than two rows. The last bin is as wide as the
// one before it.
Result<Trace> parse_trace(std::string_view text, const std::string& name);
// gzip-compressed or not, told by its first bytes; read in pieces, so that memory is that of the
// bins. Also InvalidArgument when the gzip data are damaged or cut.
Result<Trace> read_trace(const std::filesystem::path& file);

// Gives each skipped stretch, and each run of at least `zero_run` empty bins with requests on
// both sides, the rate of a straight line between its neighbours. Returns how many bins changed.
std::size_t bridge_gaps(Trace& trace, std::size_t zero_run);

// One line: "1440 bins of 60 s, 3513/s mean, 7577/s peak, CV 0.57; 12 empty bins …".
std::string describe(const TraceReport& report);

}  // namespace spate::influx
