// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "spate/base/csv.h"
#include "spate/base/files.h"
#include "spate/base/sha256.h"
#include "spate/models/surface/surface_dataset.h"
#include "spate/models/surface/surface_image.h"
#include "testing/test_folder.h"

namespace spate::models {
namespace {

class SurfaceDataset : public ::testing::Test {
 protected:
  std::filesystem::path make(const std::string& name, const SurfaceOptions& options) {
    const auto folder = root_ / name;
    const auto status = make_surface_dataset(folder, options);
    EXPECT_TRUE(status) << (status ? "" : status.error().message);
    return folder;
  }
  const test::TestFolder root_;
};

std::string hash_of(const std::filesystem::path& file) { return sha256_hex_of_file(file).value(); }

TEST_F(SurfaceDataset, LabelsEveryFileAndSplitsEveryClass) {
  const auto folder = make("labels", {.count = 56, .seed = 3, .min_side = 40, .max_side = 60});
  const auto table = read_csv(folder / "labels.csv");
  ASSERT_TRUE(table) << table.error().message;
  ASSERT_EQ(table->rows.size(), 56U);
  std::map<std::string, std::map<std::string, int>> counts;
  std::set<std::string> files;
  for (const auto& row : table->rows) {
    files.insert(row[0]);
    ++counts[row[1]][row[2]];
    const auto bytes = read_file(folder / row[0]);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->substr(0, 3), "\xFF\xD8\xFF") << row[0] << " is not a JPEG";
  }
  EXPECT_EQ(files.size(), 56U);
  ASSERT_EQ(counts.size(), kSurfaceLabels.size());
  for (const auto& [label, split] : counts) {
    EXPECT_EQ(split.at("train"), 6) << label;
    EXPECT_EQ(split.at("held_out"), 2) << label;
  }
}

TEST_F(SurfaceDataset, EqualSeedsGiveEqualFilesAndALargerSetExtendsASmallerOne) {
  const auto a = make("a", {.count = 14, .seed = 5, .min_side = 40, .max_side = 60});
  const auto b = make("b", {.count = 21, .seed = 5, .min_side = 40, .max_side = 60});
  const auto c = make("c", {.count = 14, .seed = 6, .min_side = 40, .max_side = 60});
  int same_as_other_seed = 0;
  for (const auto label : kSurfaceLabels) {
    const std::string file = std::string(label) + "_0001.jpg";
    EXPECT_EQ(hash_of(a / file), hash_of(b / file)) << file;
    same_as_other_seed += hash_of(a / file) == hash_of(c / file);
  }
  EXPECT_EQ(same_as_other_seed, 0);
}

TEST_F(SurfaceDataset, OptionsOutOfRangeSayTheRange) {
  const auto status = make_surface_dataset("/nonexistent", {.count = 3});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "count: expected a number in [14, 1000000], got 3");
  EXPECT_FALSE(make_surface_dataset("/nonexistent", {.min_side = 100, .max_side = 50}));
  EXPECT_FALSE(make_surface_dataset("/proc/nonexistent", {.min_side = 40, .max_side = 40}));
}

// Drawn from equal streams, two classes differ by the defect alone, and visibly so.
TEST(SurfaceImage, DefectsAreVisible) {
  const auto draw = [](SurfaceClass kind) {
    Rng rng(11, "visible");
    return draw_surface(kind, 160, 120, rng).pixels;
  };
  const auto clean = draw(SurfaceClass::Clean);
  EXPECT_EQ(clean, draw(SurfaceClass::Clean));
  for (const auto kind : {SurfaceClass::Crazing, SurfaceClass::Inclusions, SurfaceClass::Patches,
                          SurfaceClass::Pits, SurfaceClass::Scale, SurfaceClass::Scratches}) {
    const auto defect = draw(kind);
    ASSERT_EQ(defect.size(), clean.size());
    std::size_t changed = 0;
    for (std::size_t i = 0; i < clean.size(); ++i) changed += std::abs(defect[i] - clean[i]) > 12;
    const double share = static_cast<double>(changed) / static_cast<double>(clean.size());
    EXPECT_GT(share, 0.005) << kSurfaceLabels[static_cast<std::size_t>(kind)];
    EXPECT_LT(share, 0.95) << kSurfaceLabels[static_cast<std::size_t>(kind)];
  }
}

}  // namespace
}  // namespace spate::models
