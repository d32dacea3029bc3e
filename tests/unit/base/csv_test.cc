// SPDX-License-Identifier: Apache-2.0
#include "spate/base/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Csv, ReadsQuotesLineEndsAndMarks) {
  const auto table = parse_csv(
      "\xEF\xBB\xBF"
      "a, b ,c\r\n1,\"x,\"\"y\"\"\",3\r\n\r\n4,\"two\nlines\",6",
      "t.csv");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_THAT(table->header, ElementsAre("a", "b", "c"));
  ASSERT_EQ(table->rows.size(), 2U);
  EXPECT_THAT(table->rows[0], ElementsAre("1", "x,\"y\"", "3"));
  EXPECT_THAT(table->rows[1], ElementsAre("4", "two\nlines", "6"));
  EXPECT_THAT(table->lines, ElementsAre(2U, 4U));
  EXPECT_EQ(table->column("c"), 2U);
  EXPECT_FALSE(table->column("d"));
}

// Cut anywhere, even within a quote's second half, a line's end or the mark.
TEST(Csv, PiecesAreAsGoodAsTheWhole) {
  const std::string text =
      "\xEF\xBB\xBF"
      "a,b\r\n\"x,\"\"y\"\"\",\r\n\r\n\"\",two\rlines\n\"\n\",4\r";
  const auto whole = parse_csv(text, "t.csv");
  ASSERT_TRUE(whole) << whole.error().message;
  ASSERT_EQ(whole->rows.size(), 3U);
  EXPECT_THAT(whole->rows[0], ElementsAre("x,\"y\"", ""));
  EXPECT_THAT(whole->rows[1], ElementsAre("", "two\rlines"));
  EXPECT_THAT(whole->rows[2], ElementsAre("\n", "4"));
  for (std::size_t size = 1; size < text.size(); ++size) {
    std::vector<std::vector<std::string>> rows;
    std::vector<std::size_t> lines;
    CsvParser parser("t.csv", [&](std::vector<std::string>& row, std::size_t line) {
      rows.push_back(row);
      lines.push_back(line);
      return ok();
    });
    for (std::size_t at = 0; at < text.size(); at += size) {
      ASSERT_TRUE(parser.feed(std::string_view(text).substr(at, size)));
    }
    ASSERT_TRUE(parser.finish());
    ASSERT_EQ(rows.size(), 4U) << size;
    EXPECT_EQ(rows[0], whole->header);
    EXPECT_TRUE(std::equal(whole->rows.begin(), whole->rows.end(), rows.begin() + 1)) << size;
    EXPECT_TRUE(std::equal(whole->lines.begin(), whole->lines.end(), lines.begin() + 1)) << size;
  }
}

TEST(Csv, SaysWhereItIsWrong) {
  EXPECT_THAT(parse_csv("a,b\n1\n", "t.csv").error().message,
              HasSubstr("t.csv:2: expected 2 cells as in the header, got 1"));
  EXPECT_THAT(parse_csv("a,a\n", "t.csv").error().message, HasSubstr("stands twice"));
  EXPECT_THAT(parse_csv("a,\n", "t.csv").error().message, HasSubstr("has no name"));
  EXPECT_THAT(parse_csv("", "t.csv").error().message, HasSubstr("empty file"));
  EXPECT_THAT(parse_csv("a\n\"1\n", "t.csv").error().message, HasSubstr("not closed"));
}

TEST(Csv, CellsAreNumbersMissingOrNeither) {
  EXPECT_EQ(parse_cell(" -1.5e3 "), -1500.0);
  EXPECT_FALSE(parse_cell("1.5x"));
  EXPECT_FALSE(parse_cell("inf"));
  EXPECT_TRUE(is_missing_cell(" NA "));
  EXPECT_FALSE(is_missing_cell("0"));
}

}  // namespace
}  // namespace spate
