// SPDX-License-Identifier: Apache-2.0
//
// Small whole-file helpers. Errors name the path and the system's reason.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "spate/base/result.h"

namespace spate {

Result<std::string> read_file(const std::filesystem::path& path);

// Writes to a temporary file beside `path` and renames it over, so that a reader sees the old
// content or the new, never half. Creates the parent folder.
Status write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace spate
