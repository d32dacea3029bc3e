// SPDX-License-Identifier: Apache-2.0
//
// Where the folder that developers have beside the project is: SPATE_SHARED_DIR, else ../shared
// from the source. Tests that use it skip with a message where it is missing.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace spate::test {

inline std::filesystem::path shared_dir() {
  if (const char* set = std::getenv("SPATE_SHARED_DIR"); set != nullptr && *set != '\0') return set;
  return std::filesystem::path(SPATE_SOURCE_DIR) / ".." / "shared";
}

}  // namespace spate::test

// First line of a test body that reads `file` of the shared folder.
#define SPATE_SKIP_WITHOUT_SHARED(file)                               \
  if (!std::filesystem::exists(::spate::test::shared_dir() / (file))) \
  GTEST_SKIP() << (::spate::test::shared_dir() / (file)) << " is not there"
