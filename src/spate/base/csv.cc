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

Result<CsvTable> parse_csv(std::string_view text, const std::string& name) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  CsvTable table;
  std::vector<std::string> row;
  std::string cell;
  std::size_t line = 1;
  std::size_t row_line = 1;
  bool quoted = false;
  bool was_quoted = false;
  const auto problem = [&](std::size_t at, const std::string& what) {
    return Error{ErrorCode::InvalidArgument, name + ":" + std::to_string(at) + ": " + what};
  };
  const auto end_row = [&]() -> Status {
    const bool empty_line = row.empty() && cell.empty() && !was_quoted;
    row.push_back(std::move(cell));
    cell.clear();
    was_quoted = false;
    if (empty_line) {
      row.clear();
      return ok();
    }
    if (table.header.empty()) {
      for (auto& column : row) column = std::string(trimmed(column));
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (row[i].empty()) {
          return problem(row_line, "column " + std::to_string(i + 1) + " has no name");
        }
        if (std::find(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(i), row[i]) !=
            row.begin() + static_cast<std::ptrdiff_t>(i)) {
          return problem(row_line, "column \"" + row[i] + "\" stands twice");
        }
      }
      table.header = std::move(row);
    } else {
      if (row.size() != table.header.size()) {
        return problem(row_line, "expected " + std::to_string(table.header.size()) +
                                     " cells as in the header, got " + std::to_string(row.size()));
      }
      table.rows.push_back(std::move(row));
      table.lines.push_back(row_line);
    }
    row.clear();
    return ok();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '"') {
        if (i + 1 < text.size() && text[i + 1] == '"') {
          cell += '"';
          ++i;
        } else {
          quoted = false;
        }
      } else {
        line += c == '\n';
        cell += c;
      }
    } else if (c == '"' && cell.empty()) {
      quoted = true;
      was_quoted = true;
    } else if (c == ',') {
      row.push_back(std::move(cell));
      cell.clear();
      was_quoted = false;
    } else if (c == '\n' || (c == '\r' && (i + 1 == text.size() || text[i + 1] == '\n'))) {
      if (c == '\r' && i + 1 < text.size()) continue;
      if (auto status = end_row(); !status) return status.error();
      ++line;
      row_line = line;
    } else {
      cell += c;
    }
  }
  if (quoted) return problem(row_line, "a quote is not closed");
  if (auto status = end_row(); !status) return status.error();
  if (table.header.empty()) return problem(1, "expected a header row, found an empty file");
  return table;
}

Result<CsvTable> read_csv(const std::filesystem::path& path) {
  auto text = read_file(path);
  if (!text) return text.error();
  return parse_csv(*text, path.string());
}

}  // namespace spate
