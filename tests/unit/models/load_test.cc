// SPDX-License-Identifier: Apache-2.0
#include "spate/models/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "testing/test_folder.h"

namespace spate::models {
namespace {

using ::spate::test::TestFolder;
using ::testing::HasSubstr;

class PluginDir {
 public:
  explicit PluginDir(const std::filesystem::path& path) {
    ::setenv("SPATE_PLUGIN_DIR", path.c_str(), 1);
  }
  ~PluginDir() { ::unsetenv("SPATE_PLUGIN_DIR"); }
};

void write_kind(const TestFolder& dir, const std::string& kind) {
  Manifest manifest;
  manifest.name = "m";
  manifest.kind = kind;
  ASSERT_TRUE(write_manifest(dir.path(), manifest));
}

TEST(LoadModel, AMissingModuleIsNamedWithTheWayToGetIt) {
  const TestFolder dir;
  const PluginDir plugins(dir.path());
  write_kind(dir, "xgboost");
  const auto loaded = load_model(dir.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::NotFound);
  EXPECT_THAT(loaded.error().message,
              HasSubstr((dir / "libspate_model_xgboost.so").string() + " does not exist"));
  EXPECT_THAT(loaded.error().message, HasSubstr("scripts/setup"));
}

TEST(LoadModel, AModuleThatDoesNotLoadSaysWhatToInstall) {
  const TestFolder dir;
  const PluginDir plugins(dir.path());
  dir.write("libspate_model_xgboost.so", "not a library");
  write_kind(dir, "xgboost");
  const auto loaded = load_model(dir.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::NotFound);
  EXPECT_THAT(loaded.error().message, HasSubstr("apt-get install libxgboost0"));
}

TEST(LoadModel, AKindIsAPlainName) {
  const TestFolder dir;
  write_kind(dir, "../../evil");
  const auto loaded = load_model(dir.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::InvalidArgument);
  EXPECT_THAT(loaded.error().message, HasSubstr("../../evil"));
}

TEST(LoadModel, ASymbolThatAModuleLacksMeansAnotherVersion) {
  const TestFolder dir;
  EXPECT_EQ(module_symbol("UPPER", "x").error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(module_symbol("no_such", "x").error().code, ErrorCode::NotFound);
}

}  // namespace
}  // namespace spate::models
