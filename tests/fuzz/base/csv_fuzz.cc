// SPDX-License-Identifier: Apache-2.0
//
// Any text into the CSV reader, at once and in pieces as long as the first byte says. Both see the
// same rows, lines and complaints; a table that was read survives being written and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/check.h"
#include "spate/base/csv.h"

namespace {

using namespace spate;

struct Rows {
  std::vector<std::vector<std::string>> cells;
  std::vector<std::size_t> lines;
  Status status = ok();
};

Rows read(std::string_view text, std::size_t piece) {
  Rows rows;
  CsvParser parser("fuzz", [&](std::vector<std::string>& cells, std::size_t line) {
    rows.cells.push_back(std::move(cells));
    rows.lines.push_back(line);
    return ok();
  });
  while (rows.status && !text.empty()) {
    const std::string_view next = text.substr(0, piece);
    text.remove_prefix(next.size());
    rows.status = parser.feed(next);
  }
  if (rows.status) rows.status = parser.finish();
  return rows;
}

std::string written(const std::vector<std::vector<std::string>>& rows) {
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += i == 0 ? "\"" : ",\"";
      for (const char c : row[i]) out += c == '"' ? std::string("\"\"") : std::string(1, c);
      out += '"';
    }
    out += "\r\n";
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Rows whole = read(text, text.size());
  const Rows pieces = read(text, std::size_t{1} + data[0]);
  SPATE_CHECK(whole.cells == pieces.cells && whole.lines == pieces.lines, "where it is cut");
  SPATE_CHECK(whole.status.has_value() == pieces.status.has_value(), "where it is cut");
  const auto table = parse_csv(text, "fuzz");
  SPATE_CHECK(table.has_value() == whole.status.has_value(), "at once or by its rows");
  if (!table) {
    SPATE_CHECK(whole.status.error().message == pieces.status.error().message &&
                    whole.status.error().message == table.error().message,
                "one complaint");
    return 0;
  }
  SPATE_CHECK(table->rows.size() + 1 == whole.cells.size(), "the first row is the header");
  for (const auto& row : table->rows) {
    SPATE_CHECK(row.size() == table->header.size(), "a row is as long as the header");
    for (const std::string& cell : row) (void)(is_missing_cell(cell) || parse_cell(cell));
  }
  SPATE_CHECK(std::adjacent_find(whole.lines.begin(), whole.lines.end(), std::greater_equal<>{}) ==
                  whole.lines.end(),
              "each row starts on a line of its own");
  const Rows again = read(written(whole.cells), 7);
  SPATE_CHECK(again.status && again.cells == whole.cells, "written and read again");
  return 0;
}
