// SPDX-License-Identifier: Apache-2.0
//
// Whole files of text, gzip-compressed or not: archives of traces come either way.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "spate/base/result.h"

namespace spate::judge {

// No archive's file of counts is as large; a file that unpacks to more is refused.
inline constexpr std::size_t kMostUnpackedBytes = std::size_t{4} << 30;

// Unpacks gzip (several members after each other are one text, as gzip itself has it).
// InvalidArgument "name: ..." for damaged or cut data and for more than `most_bytes`.
Result<std::string> gunzip(std::string_view packed, const std::string& name,
                           std::size_t most_bytes = kMostUnpackedBytes);

// The content of `path`, unpacked when it begins with gzip's two magic bytes (whatever its name).
Result<std::string> read_text_or_gz(const std::filesystem::path& path);

}  // namespace spate::judge
