// SPDX-License-Identifier: Apache-2.0
//
// BinSums: counts put into bins of equal width. Internal to the importers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "spate/judge/trace_import.h"

namespace spate::judge {

class BinSums {
 public:
  // Requires bin_s > 0. Bins start at whole multiples of `bin_s` from `origin_s`.
  explicit BinSums(double bin_s, double origin_s = 0.0) : bin_s_(bin_s), origin_s_(origin_s) {}

  void add(double unix_s, double requests);
  // Bins without a row were bins without a request (traces of single requests).
  void fill_holes();
  std::size_t size() const { return sums_.size(); }
  Imported take() const;

 private:
  double bin_s_;
  double origin_s_;
  std::map<std::int64_t, double> sums_;
};

// A reader of one format. `texts` are the files' unpacked contents, `names` their names.
struct ImportInput {
  std::string name;
  std::string text;
};
Result<Imported> import_azure_functions(const std::vector<ImportInput>& files,
                                        const ImportOptions& options);
Result<Imported> import_worldcup_log(const std::vector<ImportInput>& files,
                                     const ImportOptions& options);
Result<Imported> import_wikipedia(const std::vector<ImportInput>& files,
                                  const ImportOptions& options);
Result<Imported> import_prometheus(const std::vector<ImportInput>& files,
                                   const ImportOptions& options);

// A CSV with a column of times and one of counts (none: each row is one request).
struct TimeTable {
  std::string time_column;
  std::string count_column;
  double bin_s = 0.0;     // of the archive
  bool rows_rise = true;  // a time before that of the row above is an error
  bool holes_are_zero = false;
};
Result<Imported> import_time_table(const std::vector<ImportInput>& files, const TimeTable& table,
                                   const ImportOptions& options);

Error import_error(const std::string& name, std::size_t line, const std::string& what);
// Fills in what influx will say of the trace. Errors: it is none (fewer than two bins).
Result<Imported> with_report(Imported imported, std::string_view format);
// The width that is used, InvalidArgument when it is no multiple of the archive's.
Result<double> bin_width(const ImportOptions& options, double archive_s);

}  // namespace spate::judge
