// SPDX-License-Identifier: Apache-2.0
#include "spate/base/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "spate/base/files.h"

namespace spate {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::optional<std::size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header.begin());
}

bool is_missing_cell(std::string_view cell) {
  const auto t = trimmed(cell);
  return t.empty() || t == "NA" || t == "N/A" || t == "NaN" || t == "nan" || t == "null" ||
         t == "?";
}

std::optional<double> parse_cell(std::string_view cell) {
  auto t = trimmed(cell);
  if (!t.empty() && t.front() == '+') t.remove_prefix(1);
  double value = 0.0;
  const auto [at, error] = std::from_chars(t.data(), t.data() + t.size(), value);
  if (error != std::errc{} || at != t.data() + t.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

CsvParser::CsvParser(std::string name, OnRow on_row)
    : name_(std::move(name)), on_row_(std::move(on_row)) {}

Error CsvParser::problem(std::size_t line, const std::string& what) const {
  return {ErrorCode::InvalidArgument, name_ + ":" + std::to_string(line) + ": " + what};
}

Status CsvParser::check_header() {
  for (auto& column : row_) column = std::string(trimmed(column));
  for (std::size_t i = 0; i < row_.size(); ++i) {
    if (row_[i].empty()) {
      return problem(row_line_, "column " + std::to_string(i + 1) + " has no name");
    }
    const auto here = row_.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(row_.begin(), here, row_[i]) != here) {
      return problem(row_line_, "column \"" + row_[i] + "\" stands twice");
    }
  }
  columns_ = row_.size();
  return ok();
}

Status CsvParser::end_row() {
  const bool empty_line = row_.empty() && cell_.empty() && !was_quoted_;
  row_.push_back(std::move(cell_));
  cell_.clear();
  was_quoted_ = false;
  if (empty_line) {
    row_.clear();
    return ok();
  }
  if (columns_ == 0) {
    if (Status s = check_header(); !s) return s;
  } else if (row_.size() != columns_) {
    return problem(row_line_, "expected " + std::to_string(columns_) +
                                  " cells as in the header, got " + std::to_string(row_.size()));
  }
  Status taken = on_row_(row_, row_line_);
  row_.clear();
  return taken;
}

Status CsvParser::take(char c) {
  if (quote_) {
    quote_ = false;
    if (c == '"') {
      cell_ += '"';
      return ok();
    }
    quoted_ = false;
  }
  if (quoted_) {
    quote_ = c == '"';
    if (quote_) return ok();
    line_ += c == '\n';
    cell_ += c;
    return ok();
  }
  if (cr_ && c != '\n') cell_ += '\r';
  cr_ = c == '\r';
  if (cr_) return ok();
  if (c == '"' && cell_.empty()) {
    quoted_ = was_quoted_ = true;
  } else if (c == ',') {
    row_.push_back(std::move(cell_));
    cell_.clear();
    was_quoted_ = false;
  } else if (c == '\n') {
    if (Status s = end_row(); !s) return s;
    row_line_ = ++line_;
  } else {
    cell_ += c;
  }
  return ok();
}

Status CsvParser::feed(std::string_view piece) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  for (const char c : piece) {
    if (!started_) {
      if (c == kMark[mark_]) {
        started_ = ++mark_ == kMark.size();
        continue;
      }
      started_ = true;
      cell_ = kMark.substr(0, mark_);
    }
    if (Status s = take(c); !s) return s;
  }
  return ok();
}

Status CsvParser::finish() {
  if (!started_) cell_ = std::string("\xEF\xBB\xBF", mark_);
  if (quoted_ && !quote_) return problem(row_line_, "a quote is not closed");
  if (Status s = end_row(); !s) return s;
  if (columns_ == 0) return problem(1, "expected a header row, found an empty file");
  return ok();
}

Result<CsvTable> parse_csv(std::string_view text, const std::string& name) {
  CsvTable table;
  CsvParser parser(name, [&](std::vector<std::string>& row, std::size_t line) {
    if (table.header.empty()) {
      table.header = std::move(row);
    } else {
      table.rows.push_back(std::move(row));
      table.lines.push_back(line);
    }
    return ok();
  });
  if (Status s = parser.feed(text); !s) return s.error();
  if (Status s = parser.finish(); !s) return s.error();
  return table;
}

Result<CsvTable> read_csv(const std::filesystem::path& path) {
  auto text = read_file(path);
  if (!text) return text.error();
  return parse_csv(*text, path.string());
}

}  // namespace spate
