// SPDX-License-Identifier: Apache-2.0
//
// TempDir: an empty directory for one test, removed with everything in it at the end.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "spate/base/files.h"

namespace spate::testing {

class TempDir {
 public:
  TempDir() {
    std::string pattern = ::testing::TempDir() + "/spate_test_XXXXXX";
    const char* made = ::mkdtemp(pattern.data());
    EXPECT_NE(made, nullptr) << "cannot make " << pattern;
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

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

}  // namespace spate::testing
