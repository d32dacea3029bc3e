// SPDX-License-Identifier: Apache-2.0
//
// Importers: public archives of demand, and one's own Prometheus, as the `t_s,requests` files that
// profiles of kind `trace` read (influx/trace.h). docs/traces.md describes each input format and
// the published total that an import must reproduce.
//
// Threads: pure functions over files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/result.h"
#include "spate/influx/trace.h"

namespace spate::judge {

struct ImportOptions {
  // Width of a bin in seconds; 0: the archive's own (1 s for traces of single requests).
  // A wider one must be a whole multiple of the archive's.
  double bin_s = 0.0;
  // azure_functions_2019: hashes of functions (their beginnings will do); wikipedia_hourly:
  // projects, "en" when empty. Empty: all.
  std::vector<std::string> select;
  // prometheus: the values are per second (`rate(...)`) and are multiplied by the step. False:
  // they are counts per step (`increase(...)`).
  bool per_second = true;
};

struct ImportedBin {
  double unix_s = 0.0;  // start; of an archive without dates, counted from 0
  double requests = 0.0;
};

struct Imported {
  double bin_s = 0.0;
  std::vector<ImportedBin> bins;   // rising; bins that the archive skips are left out
  double requests = 0.0;           // sum over all bins
  std::vector<std::string> notes;  // what a person should know of this import
  influx::TraceReport report;      // of the file as influx will read it
};

struct ImportFormat {
  std::string_view name;
  std::string_view input;  // what the files are, in one line
};

// The formats that import_trace() knows.
const std::vector<ImportFormat>& import_formats();

// Reads `files` (each may be gzip-compressed) as `format`. InvalidArgument "file:line: ..." for a
// missing header or column, a cell that is no number or time, a negative count, times that go
// backwards where the format has them in order, an unknown format or fewer than two bins.
Result<Imported> import_trace(std::string_view format,
                              const std::vector<std::filesystem::path>& files,
                              const ImportOptions& options);

// The file's text: "t_s,requests" and a row per bin, `t_s` from the first bin on.
std::string trace_csv(const Imported& imported);

}  // namespace spate::judge
