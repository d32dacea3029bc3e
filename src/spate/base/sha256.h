// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 of files and bytes, as lower-case hex.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "spate/base/result.h"

namespace spate {

std::string sha256_hex(std::string_view bytes);
Result<std::string> sha256_hex_of_file(const std::filesystem::path& path);

}  // namespace spate
