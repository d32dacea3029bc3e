// SPDX-License-Identifier: Apache-2.0
//
// `spate model build resnet50`: the whole of it on real graphs and real pictures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "component/onnx_image/tiny_classifiers.h"
#include "spate/models/load.h"
#include "testing/child_process.h"
#include "testing/shared_dir.h"
#include "testing/test_folder.h"

namespace spate::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

Result<models::Manifest> build(const fs::path& images, const fs::path& out, std::uint64_t seed = 1,
                               int threads = 2) {
  const auto module = models::onnx_build_module();
  if (!module) return module.error();
  models::ResNet50Options options;
  options.images = images;
  options.out = out;
  options.seed = seed;
  options.threads = threads;
  return module->build_resnet50(options);
}

// Two classes that are easily told apart, `count` files of each. Bytes after a JPEG's end are
// ignored, so that the files differ and the pictures do not.
void make_two_classes(const TestFolder& dir, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string name = std::to_string(i) + ".jpg";
    dir.write("images/coloured/" + name, picture("square.jpg") + name);
    dir.write("images/grey/" + name, picture("grey.jpg") + name);
  }
}

TEST(BuildResNet50, IsSeededWholeAndServed) {
  const TestFolder dir;
  make_two_classes(dir, 7);
  const auto first = build(dir / "images", dir / "first", 1, 1);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->backbone, "random");
  EXPECT_EQ(first->name, "resnet50");
  EXPECT_THAT(first->classes, ::testing::ElementsAre("coloured", "grey"));
  EXPECT_EQ(first->held_out.at("accuracy"), 1.0);
  EXPECT_EQ(first->held_out.at("baseline_accuracy"), 0.5);
  // 25.6 million parameters less those of 998 classes, and without batch normalisation's scale.
  const auto size = fs::file_size(dir / "first/model.onnx");
  EXPECT_GT(size, 90'000'000U);
  EXPECT_LT(size, 100'000'000U);

  const auto again = build(dir / "images", dir / "again", 1, 2);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->version, first->version) << "the number of threads is no part of the model";

  const auto model = models::load_model(dir / "first");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_GT(probabilities(**model, picture("square.jpg")).at(0), 0.5);
  EXPECT_GT(probabilities(**model, picture("grey.jpg")).at(1), 0.5);
}

TEST(BuildResNet50, WhatCannotBeTrainedOnIsSaidBeforeAnyWork) {
  const TestFolder dir;
  make_two_classes(dir, 3);
  auto built = build(dir / "images", dir / "model");
  ASSERT_FALSE(built);
  EXPECT_THAT(built.error().message, HasSubstr("needed at least"));
  built = build(fs::path(SPATE_SOURCE_DIR) / "data/temperature", dir / "model");
  ASSERT_FALSE(built);
  EXPECT_THAT(built.error().message, HasSubstr("trained on images"));
  EXPECT_EQ(build(dir / "nothing", dir / "model").error().code, ErrorCode::NotFound);
  EXPECT_FALSE(fs::exists(dir / "model"));
}

// The project's own synthetic set, through the commands.
TEST(BuildResNet50, BeatsTheMajorityOnSyntheticSurfaces) {
  const TestFolder dir;
  const std::string spate = SPATE_BINARY_DIR "/spate";
  ChildProcess make({spate, "dataset", "make", "surface", "--out", dir / "surface", "--count",
                     "140", "--seed", "1"});
  ASSERT_EQ(make.wait(std::chrono::seconds(120)), 0) << make.output();
  ChildProcess build(
      {spate, "model", "build", "resnet50", "--images", dir / "surface", "--out", dir / "model"});
  ASSERT_EQ(build.wait(std::chrono::seconds(200)), 0) << build.output();
  EXPECT_THAT(build.output(), AllOf(HasSubstr("backbone: random"), HasSubstr("held out")));
  const auto manifest = models::read_manifest(dir / "model");
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->classes.size(), 7U);
  EXPECT_GT(manifest->held_out.at("accuracy"), manifest->held_out.at("baseline_accuracy") + 0.1);
}

TEST(BuildResNet50, NamesThreeQuartersOfRealDefectsAndTakesAnyPhotograph) {
  SPATE_SKIP_WITHOUT_SHARED("surface-defects");
  const TestFolder dir;
  const auto manifest = build(shared_dir() / "surface-defects", dir / "model");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->classes.size(), 6U);
  EXPECT_GE(manifest->held_out.at("accuracy"), 0.75);
  EXPECT_LT(manifest->held_out.at("baseline_accuracy"), 0.25);

  SPATE_SKIP_WITHOUT_SHARED("seed-data/images");
  const auto model = models::load_model(dir / "model");
  ASSERT_TRUE(model) << model.error().message;
  int photographs = 0;
  for (const auto& entry : fs::directory_iterator(shared_dir() / "seed-data/images")) {
    const auto bytes = read_file(entry.path());
    ASSERT_TRUE(bytes);
    double sum = 0.0;
    for (const double p : probabilities(**model, *bytes)) sum += p;
    EXPECT_GT(sum, 0.6) << entry.path();  // the five most probable of six
    EXPECT_LE(sum, 1.0 + 1e-6) << entry.path();
    ++photographs;
  }
  EXPECT_EQ(photographs, 24);
}

}  // namespace
}  // namespace spate::test
