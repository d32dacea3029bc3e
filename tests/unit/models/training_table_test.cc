// SPDX-License-Identifier: Apache-2.0
#include "spate/models/training_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "testing/test_folder.h"

namespace spate::models {
namespace {

using ::spate::test::TestFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TrainingTable, CountsWhatIsMissing) {
  const TestFolder dir;
  const auto csv = dir.write("t.csv", "a,b,y\n1,NA,5\n2,3,\n?,4, 6 \n");
  const auto table = read_training_table(csv, "y", {});
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_THAT(table->features, ElementsAre("a", "b"));
  EXPECT_EQ(table->rows(), 2U);
  EXPECT_EQ(table->rows_without_target, 1U);
  EXPECT_THAT(table->missing_per_feature, ElementsAre(1U, 1U));
  EXPECT_TRUE(std::isnan(table->at(0, 1)));
  EXPECT_EQ(table->at(1, 1), 4.0);
  EXPECT_THAT(table->labels, ElementsAre("5", "6"));
}

TEST(TrainingTable, TextIsNamedWithLineAndColumn) {
  const TestFolder dir;
  const auto csv = dir.write("t.csv", "a,city,y\n1,2,5\n2,Rome,6\n");
  EXPECT_THAT(read_training_table(csv, "y", {}).error().message,
              HasSubstr("t.csv:3: column city: expected a number, got \"Rome\""));
  EXPECT_TRUE(read_training_table(csv, "y", {"a"}));
}

TEST(TrainingTable, WrongColumnsAreNamedWithTheNearest) {
  const TestFolder dir;
  const auto csv = dir.write("t.csv", "area,rooms,price\n1,2,3\n");
  EXPECT_THAT(read_training_table(csv, "prize", {}).error().message,
              HasSubstr("no column \"prize\" (\"price\"?); its columns are area, rooms, price"));
  EXPECT_THAT(read_training_table(csv, "price", {"aera"}).error().message, HasSubstr("\"aera\""));
  EXPECT_THAT(read_training_table(csv, "price", {"price"}).error().message,
              HasSubstr("the target itself"));
  EXPECT_THAT(read_training_table(csv, "price", {"area", "area"}).error().message,
              HasSubstr("named twice"));
}

TEST(TrainingTable, NothingToLearnFromIsAnError) {
  const TestFolder dir;
  EXPECT_THAT(read_training_table(dir.write("t.csv", "a,y\n1,\n"), "y", {}).error().message,
              HasSubstr("no row has a value of y"));
  EXPECT_THAT(read_training_table(dir.write("t.csv", "a,y\nNA,1\n"), "y", {}).error().message,
              HasSubstr("column a holds no number at all"));
  EXPECT_THAT(read_training_table(dir.write("t.csv", "y\n1\n"), "y", {}).error().message,
              HasSubstr("no column but the target"));
  EXPECT_EQ(read_training_table(dir / "none.csv", "y", {}).error().code, ErrorCode::NotFound);
}

TableBuildOptions of_ten_rows(const TestFolder& dir) {
  std::string text = "a,y\n";
  for (int i = 0; i < 10; ++i) text += std::to_string(i) + "," + std::to_string(i) + "\n";
  TableBuildOptions options;
  options.csv = dir.write("t.csv", text);
  options.target = "y";
  options.held_out_share = 0.3;
  return options;
}

TEST(TrainingData, EveryRowIsEitherFittedOrHeldOut) {
  const TestFolder dir;
  const auto data = load_training_data(of_ten_rows(dir));
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_EQ(data->fit.rows(), 7U);
  EXPECT_EQ(data->held_out.rows(), 3U);
  std::multiset<std::string> all(data->fit.labels.begin(), data->fit.labels.end());
  all.insert(data->held_out.labels.begin(), data->held_out.labels.end());
  EXPECT_EQ(all.size(), 10U);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 10U);
  EXPECT_EQ(data->final_fit.rows(), 10U);
  EXPECT_THAT(data->how_split, HasSubstr("3 of 10 rows held out at random (seed 1)"));
}

TEST(TrainingData, TheChoiceFollowsTheSeed) {
  const TestFolder dir;
  auto options = of_ten_rows(dir);
  const auto one = load_training_data(options)->held_out.labels;
  EXPECT_EQ(load_training_data(options)->held_out.labels, one);
  std::set<std::vector<std::string>> choices;
  for (options.seed = 1; options.seed <= 20; ++options.seed) {
    choices.insert(load_training_data(options)->held_out.labels);
  }
  EXPECT_GT(choices.size(), 10U);
}

TEST(TrainingData, TheLastRowsOrNoneMayBeHeldOut) {
  const TestFolder dir;
  auto options = of_ten_rows(dir);
  options.held_out_last = true;
  options.refit = false;
  auto data = load_training_data(options);
  EXPECT_THAT(data->held_out.labels, ElementsAre("7", "8", "9"));
  EXPECT_EQ(data->final_fit.rows(), 7U);
  options.held_out_share = 0.0;
  data = load_training_data(options);
  EXPECT_EQ(data->held_out.rows(), 0U);
  EXPECT_EQ(data->final_fit.rows(), 10U);
  options.held_out_share = 0.95;
  EXPECT_THAT(load_training_data(options).error().message, HasSubstr("[0, 0.9], got 0.95"));
}

}  // namespace
}  // namespace spate::models
