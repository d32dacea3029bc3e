// SPDX-License-Identifier: Apache-2.0
#include "spate/models/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "testing/test_folder.h"

namespace spate::models {
namespace {

using ::spate::test::TestFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string kJpeg = "\xFF\xD8\xFF\xE0 not decoded here";
const std::string kPng = "\x89PNG\r\n\x1A\n not decoded here";

class TableDataset : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_.write("dataset.json", R"({"target":"y","features":["b","a"],"task":"classification"})");
    dir_.write("train.csv", "a,b,y\n1,2,sun\n3,x,rain\n5,6,fog\n");
    dir_.write("held_out.csv", "a,b,y\n7,8,rain\n9,,sun\n1,1,\n");
  }
  TestFolder dir_;
};

TEST_F(TableDataset, SamplesAreRequestsWithTheirLabels) {
  const auto dataset = Dataset::open(dir_.path());
  ASSERT_TRUE(dataset) << dataset.error().message;
  EXPECT_EQ(dataset->kind(), Dataset::Kind::Table);
  EXPECT_EQ(*dataset->size("train"), 2U);
  EXPECT_EQ(*dataset->size("held_out"), 1U);
  EXPECT_EQ(*dataset->size("all"), 3U);
  const auto sample = dataset->sample("train", 1);
  EXPECT_EQ(sample->payload, "{\"features\":[6,5]}");
  EXPECT_EQ(sample->content_type, "application/json");
  EXPECT_EQ(sample->label, "fog");
  EXPECT_EQ(sample->source, "train.csv:4");
  EXPECT_EQ(dataset->sample("held_out", 0)->payload, "{\"features\":[8,7]}");
  EXPECT_EQ(*dataset->label("all", 2), "rain");
  EXPECT_THAT(*dataset->row("all", 0), ElementsAre(2.0, 1.0));
  EXPECT_THAT(dataset->classes(), ElementsAre("fog", "rain", "sun"));
}

TEST_F(TableDataset, BadRowsAreNamedWithTheirReason) {
  const auto dataset = Dataset::open(dir_.path());
  ASSERT_THAT(dataset->skipped(), SizeIs(3));
  EXPECT_EQ(dataset->skipped()[0].source, "train.csv:3");
  EXPECT_EQ(dataset->skipped()[0].reason, "column b: expected a number, got \"x\"");
  EXPECT_EQ(dataset->skipped()[1].reason, "column b: missing");
  EXPECT_EQ(dataset->skipped()[2].reason, "column y: missing");
}

TEST_F(TableDataset, WhatIsOutOfRangeIsRefused) {
  const auto dataset = Dataset::open(dir_.path());
  EXPECT_THAT(dataset->size("test").error().message, HasSubstr("\"held_out\""));
  EXPECT_THAT(dataset->sample("train", 2).error().message, HasSubstr("has 2"));
  EXPECT_FALSE(dataset->file("train", 0));
}

TEST_F(TableDataset, ABrokenDescriptionIsAnError) {
  dir_.write("dataset.json", R"({"target":"y","features":["c"],"task":"classification"})");
  EXPECT_THAT(Dataset::open(dir_.path()).error().message, HasSubstr("no column \"c\""));
  dir_.write("dataset.json", R"({"target":"y","features":["a"],"task":"sorting"})");
  EXPECT_THAT(Dataset::open(dir_.path()).error().message, HasSubstr("\"sorting\""));
  dir_.write("dataset.json", R"({"target":"y"})");
  EXPECT_THAT(Dataset::open(dir_.path()).error().message, HasSubstr("\"features\""));
  dir_.write("dataset.json", "{");
  EXPECT_THAT(Dataset::open(dir_.path()).error().message, HasSubstr("not a JSON object"));
}

TEST(ProjectTables, AreCompleteAndClean) {
  const std::filesystem::path data = std::filesystem::path(SPATE_SOURCE_DIR) / "data";
  const auto temperature = Dataset::open(data / "temperature");
  ASSERT_TRUE(temperature) << temperature.error().message;
  EXPECT_EQ(*temperature->size("train"), 6908U);
  EXPECT_EQ(*temperature->size("held_out"), 1848U);
  EXPECT_THAT(temperature->skipped(), SizeIs(0));
  EXPECT_EQ(temperature->task(), Task::Regression);
  const auto weather = Dataset::open(data / "weather");
  ASSERT_TRUE(weather) << weather.error().message;
  EXPECT_EQ(*weather->size("train"), 1095U);
  EXPECT_EQ(*weather->size("held_out"), 365U);
  EXPECT_THAT(weather->skipped(), SizeIs(0));
  EXPECT_THAT(weather->classes(), ElementsAre("drizzle", "fog", "rain", "snow", "sun"));
}

std::set<std::string> files_of(const Dataset& dataset, const char* split) {
  std::set<std::string> out;
  for (std::size_t i = 0; i < *dataset.size(split); ++i) {
    out.insert(std::filesystem::relative(*dataset.file(split, i), dataset.directory()).string());
  }
  return out;
}

TEST(ImageDataset, FoldersAreLabels) {
  const TestFolder dir;
  for (int i = 0; i < 10; ++i) {
    dir.write("pits/" + std::to_string(i) + ".jpg", kJpeg);
    dir.write("clean/" + std::to_string(i) + ".PNG", kPng);
  }
  dir.write("clean/notes.txt", "not an image");
  const auto dataset = Dataset::open(dir.path());
  ASSERT_TRUE(dataset) << dataset.error().message;
  EXPECT_EQ(dataset->kind(), Dataset::Kind::Images);
  EXPECT_THAT(dataset->classes(), ElementsAre("clean", "pits"));
  EXPECT_EQ(*dataset->size("held_out"), 4U);  // 1 in 5 of each label
  EXPECT_EQ(*dataset->size("all"), 20U);
  std::multiset<std::string> held_out;
  for (std::size_t i = 0; i < 4; ++i) held_out.insert(*dataset->label("held_out", i));
  EXPECT_EQ(held_out.count("pits"), 2U);
  const auto sample = dataset->sample("all", 0);
  ASSERT_TRUE(sample);
  EXPECT_EQ(sample->payload, sample->label == "pits" ? kJpeg : kPng);
  EXPECT_EQ(sample->content_type, sample->label == "pits" ? "image/jpeg" : "image/png");
  // The same again, and whatever else is in the folder moves no file to the other side.
  EXPECT_EQ(files_of(*Dataset::open(dir.path()), "held_out"), files_of(*dataset, "held_out"));
}

TEST(ImageDataset, LabelsCsvNamesFilesAndSplits) {
  const TestFolder dir;
  dir.write("a.jpg", kJpeg);
  dir.write("sub/b.jpg", kJpeg);
  dir.write("labels.csv", "file,label,split\na.jpg,pits,held_out\nsub/b.jpg,clean,train\n");
  const auto dataset = Dataset::open(dir.path());
  ASSERT_TRUE(dataset) << dataset.error().message;
  EXPECT_THAT(files_of(*dataset, "train"), ElementsAre("sub/b.jpg"));
  EXPECT_THAT(files_of(*dataset, "held_out"), ElementsAre("a.jpg"));
  EXPECT_EQ(*dataset->label("held_out", 0), "pits");
}

TEST(ImageDataset, BadFilesAreNamedWithTheirReason) {
  const TestFolder dir;
  dir.write("a.jpg", kJpeg);
  dir.write("b.jpg", "");
  dir.write("c.jpg", "GIF89a");
  dir.write("labels.csv", "file,label\na.jpg,x\nb.jpg,x\nc.jpg,y\nd.jpg,y\n");
  const auto dataset = Dataset::open(dir.path());
  ASSERT_TRUE(dataset) << dataset.error().message;
  ASSERT_THAT(dataset->skipped(), SizeIs(3));
  EXPECT_EQ(dataset->skipped()[0].reason, "the file is empty");
  EXPECT_THAT(dataset->skipped()[1].reason, HasSubstr("neither JPEG nor PNG"));
  EXPECT_EQ(dataset->skipped()[2].source, "d.jpg");
  EXPECT_EQ(dataset->skipped()[2].reason, "the file does not exist");
}

TEST(ImageDataset, LabelsCsvMayNotLeadOutOfTheDataSet) {
  const TestFolder dir;
  for (const char* file : {"/etc/passwd", "../x.jpg", "a/../../x.jpg"}) {
    dir.write("labels.csv", std::string("file,label\n") + file + ",x\n");
    EXPECT_THAT(Dataset::open(dir.path()).error().message,
                HasSubstr("labels.csv:2: file: expected a path inside"));
  }
  dir.write("labels.csv", "file,label,split\na.jpg,x,test\n");
  EXPECT_THAT(Dataset::open(dir.path()).error().message, HasSubstr("got \"test\""));
  dir.write("labels.csv", "name,label\na.jpg,x\n");
  EXPECT_THAT(Dataset::open(dir.path()).error().message, HasSubstr("file,label[,split]"));
}

TEST(Dataset, WhatIsNotThereNamesHowToMakeIt) {
  const auto missing = Dataset::open("/no/such/surface");
  EXPECT_EQ(missing.error().code, ErrorCode::NotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("spate dataset make surface --out"));
  const TestFolder empty;
  EXPECT_EQ(Dataset::open(empty.path()).error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace spate::models
