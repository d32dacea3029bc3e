// SPDX-License-Identifier: Apache-2.0
//
// CSV with a header row: comma separated, optional double quotes ("" inside stands for "),
// LF or CRLF, optional UTF-8 byte-order mark. Used for data tables and traces.
#pragma once

#include <filesystem>
#include <functional>
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

// Reads a CSV text that comes in pieces, cut anywhere; only the row under way is kept.
//
// InvalidArgument with "name:line: ..." for an empty file, a repeated or empty column name, a
// row of another length than the header or an unclosed quote; else what `on_row` returns. Empty
// lines are skipped. Not to be used again after an error.
class CsvParser {
 public:
  // `cells` may be moved from; `line` is the file's line (from 1) where the row starts. The first
  // row is the header, without the spaces around its names.
  using OnRow = std::function<Status(std::vector<std::string>& cells, std::size_t line)>;

  CsvParser(std::string name, OnRow on_row);
  Status feed(std::string_view piece);
  Status finish();

 private:
  Error problem(std::size_t line, const std::string& what) const;
  Status end_row();
  Status check_header();
  Status take(char c);

  std::string name_;
  OnRow on_row_;
  std::size_t columns_ = 0;  // 0: no header yet
  std::vector<std::string> row_;
  std::string cell_;
  std::size_t line_ = 1;
  std::size_t row_line_ = 1;
  std::size_t mark_ = 0;     // bytes of a byte-order mark seen at the very start
  bool started_ = false;     // no mark can come any more
  bool quoted_ = false;      // within quotes
  bool was_quoted_ = false;  // the cell was
  bool quote_ = false;       // within quotes, a quote was read: the end, or the first of two
  bool cr_ = false;          // a CR was read: part of a line's end, or of the cell
};

// All of a text at once; errors as above.
Result<CsvTable> parse_csv(std::string_view text, const std::string& name);
Result<CsvTable> read_csv(const std::filesystem::path& path);

// A finite number that takes up the whole cell (spaces around it allowed), else nothing. Cells
// "", "NA", "N/A", "NaN", "nan", "null" and "?" are missing values: is_missing_cell().
std::optional<double> parse_cell(std::string_view cell);
bool is_missing_cell(std::string_view cell);

}  // namespace spate
