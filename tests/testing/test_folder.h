// SPDX-License-Identifier: Apache-2.0
//
// TestFolder: an empty directory for one test, removed with everything in it at the end.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "spate/base/files.h"

namespace spate::test {

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = ::testing::TempDir() + "/spate_test_XXXXXX";
    const char* made = ::mkdtemp(pattern.data());
    EXPECT_NE(made, nullptr) << "cannot make " << pattern;
    path_ = pattern;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  // Writes a file below the directory and returns its path.
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    const auto written = write_file(path_ / name, content);
    EXPECT_TRUE(written) << (written ? "" : written.error().message);
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace spate::test
