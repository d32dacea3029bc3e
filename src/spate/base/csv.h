// SPDX-License-Identifier: Apache-2.0
//
// CSV with a header row: comma separated, optional double quotes ("" inside stands for "),
// LF or CRLF, optional UTF-8 byte-order mark. Used for data tables and traces.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/result.h"

namespace spate {

struct CsvTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // each as long as header
  std::vector<std::size_t> lines;              // the file's line (from 1) where each row starts

  std::optional<std::size_t> column(std::string_view name) const;
};

// InvalidArgument with "name:line: ..." for an empty file, a repeated or empty column name, a
// row of another length than the header or an unclosed quote. Empty lines are skipped.
Result<CsvTable> parse_csv(std::string_view text, const std::string& name);
Result<CsvTable> read_csv(const std::filesystem::path& path);

// A finite number that takes up the whole cell (spaces around it allowed), else nothing. Cells
// "", "NA", "N/A", "NaN", "nan", "null" and "?" are missing values: is_missing_cell().
std::optional<double> parse_cell(std::string_view cell);
bool is_missing_cell(std::string_view cell);

}  // namespace spate
