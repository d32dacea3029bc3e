// SPDX-License-Identifier: Apache-2.0
//
// Archives that are tables of times: Azure LLM 2023, New York taxis, WorldCup 98 by the minute.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spate/base/csv.h"
#include "spate/judge/bin_sums.h"
#include "spate/judge/time_text.h"

namespace spate::judge {
namespace {

// Counts beyond this are no record of anything, and sums of them lose whole numbers.
constexpr double kMostInARow = 1e12;

Result<double> count_of(const std::string& cell, const std::string& name, std::size_t line,
                        const std::string& column) {
  const auto count = parse_cell(cell);
  if (!count) return import_error(name, line, column + " is no number: \"" + cell + "\"");
  if (*count < 0.0) return import_error(name, line, column + " is negative: " + cell);
  if (*count > kMostInARow) return import_error(name, line, column + " is absurd: " + cell);
  return *count;
}

Status add_table(const ImportInput& file, const TimeTable& layout, BinSums& sums) {
  // Looked for first: a row of data in its place would give a complaint about something else.
  const std::string first = file.text.substr(0, file.text.find('\n'));
  if (first.find(layout.time_column) == std::string::npos) {
    return import_error(file.name, 1,
                        fmt::format("expected a header with the column {}, got \"{}\"",
                                    layout.time_column, first.substr(0, 60)));
  }
  const auto table = parse_csv(file.text, file.name);
  if (!table) return table.error();
  const auto time = table->column(layout.time_column);
  std::optional<std::size_t> count;
  if (!layout.count_column.empty()) count = table->column(layout.count_column);
  if (!time || (!layout.count_column.empty() && !count)) {
    const std::string missing = !time ? layout.time_column : layout.count_column;
    return import_error(file.name, 1,
                        fmt::format("expected a header with the column {}, got {}", missing,
                                    fmt::join(table->header, ",")));
  }
  std::optional<double> before;
  for (std::size_t i = 0; i < table->rows.size(); ++i) {
    const std::size_t line = table->lines[i];
    const auto at = parse_time(table->rows[i][*time]);
    if (!at) {
      return import_error(file.name, line,
                          layout.time_column + " is no time: \"" + table->rows[i][*time] + "\"");
    }
    if (layout.rows_rise && before && *at < *before) {
      return import_error(
          file.name, line,
          fmt::format("times must not go back: {} follows {}", time_text(*at), time_text(*before)));
    }
    before = at;
    double requests = 1.0;
    if (count) {
      const auto number = count_of(table->rows[i][*count], file.name, line, layout.count_column);
      if (!number) return number.error();
      requests = *number;
    }
    sums.add(*at, requests);
  }
  return ok();
}

}  // namespace

Result<Imported> import_time_table(const std::vector<ImportInput>& files, const TimeTable& table,
                                   const ImportOptions& options) {
  const auto width = bin_width(options, table.bin_s);
  if (!width) return width.error();
  BinSums sums(*width);
  for (const auto& file : files) {
    if (auto status = add_table(file, table, sums); !status) return status.error();
  }
  if (table.holes_are_zero) sums.fill_holes();
  return sums.take();
}

}  // namespace spate::judge
