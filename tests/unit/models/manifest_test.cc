// SPDX-License-Identifier: Apache-2.0
#include "spate/models/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/sha256.h"
#include "testing/test_folder.h"

namespace spate::models {
namespace {

using ::spate::test::TestFolder;
using ::testing::HasSubstr;

Manifest example() {
  Manifest m;
  m.name = "weather";
  m.kind = "xgboost";
  m.variant = "150x5";
  m.task = Task::Classification;
  m.features = {"a", "b"};
  m.target = "kind";
  m.classes = {"rain", "sun"};
  m.held_out = {{"accuracy", 0.875}, {"baseline_accuracy", 0.5}};
  m.settings_json = R"({"rounds":150})";
  m.created_by = "spate model build";
  return m;
}

TEST(Manifest, ReadsBackWhatWasWritten) {
  const TestFolder dir;
  dir.write("model.bin", "weights");
  const auto sealed = seal_model(dir.path(), example(), {"model.bin"});
  ASSERT_TRUE(sealed) << sealed.error().message;
  EXPECT_EQ(sealed->files.at("model.bin"), sha256_hex("weights"));
  EXPECT_EQ(sealed->version.size(), 12U);
  const auto read = read_manifest(dir.path());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->name, "weather");
  EXPECT_EQ(read->task, Task::Classification);
  EXPECT_EQ(read->classes, sealed->classes);
  EXPECT_EQ(read->features, sealed->features);
  EXPECT_EQ(read->held_out, sealed->held_out);
  EXPECT_EQ(read->files, sealed->files);
  EXPECT_EQ(read->version, sealed->version);
  EXPECT_EQ(read->settings_json, R"({"rounds":150})");
  EXPECT_TRUE(verify_files(dir.path(), *read));
}

TEST(Manifest, TheVersionFollowsTheFiles) {
  const TestFolder dir;
  dir.write("model.bin", "weights");
  const auto first = seal_model(dir.path(), example(), {"model.bin"});
  const auto same = seal_model(dir.path(), example(), {"model.bin"});
  dir.write("model.bin", "weights2");
  const auto other = seal_model(dir.path(), example(), {"model.bin"});
  EXPECT_EQ(first->version, same->version);
  EXPECT_NE(first->version, other->version);
}

TEST(Manifest, AMissingModelNamesTheCommandThatMakesIt) {
  const auto missing = read_manifest("/no/such/linear");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::NotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("/no/such/linear/manifest.json"));
  EXPECT_THAT(missing.error().message,
              HasSubstr("spate model build linear --dataset data/temperature --out "
                        "/no/such/linear"));
  EXPECT_THAT(read_manifest("/no/such/resnet50").error().message,
              HasSubstr("spate model build resnet50"));
}

TEST(Manifest, SaysWhichFieldIsWrong) {
  const TestFolder dir;
  const auto complaint = [&](const std::string& from, const std::string& to) {
    const auto written = write_manifest(dir.path(), example());
    EXPECT_TRUE(written);
    std::string text = *read_file(dir / kManifestFile);
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    dir.write(kManifestFile, text);
    const auto read = read_manifest(dir.path());
    EXPECT_FALSE(read) << to;
    return read ? std::string() : read.error().message;
  };
  EXPECT_THAT(complaint("\"schema\": 1", "\"schema\": 2"), HasSubstr("schema: expected 1, got 2"));
  EXPECT_THAT(complaint("\"name\": \"weather\"", "\"name\": 3"), HasSubstr("name: expected"));
  EXPECT_THAT(complaint("\"kind\":", "\"kin\":"), HasSubstr("kind: missing"));
  EXPECT_THAT(complaint("\"classification\"", "\"ranking\""), HasSubstr("\"ranking\""));
  EXPECT_THAT(complaint("\"files\": {}", "\"files\": {\"../x\":\"\"}"), HasSubstr("plain file"));
  EXPECT_THAT(complaint("{", "["), HasSubstr("not a JSON object"));
}

TEST(Manifest, ACutOffFileIsNamed) {
  const TestFolder dir;
  dir.write("model.bin", "weights");
  const auto sealed = seal_model(dir.path(), example(), {"model.bin"});
  ASSERT_TRUE(sealed);
  dir.write("model.bin", "weight");
  EXPECT_THAT(verify_files(dir.path(), *sealed).error().message, HasSubstr("model.bin: sha256 is"));
  std::filesystem::remove(dir / "model.bin");
  EXPECT_EQ(verify_files(dir.path(), *sealed).error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace spate::models
