// SPDX-License-Identifier: Apache-2.0
//
// MappedFile: a file mapped read-only, so that every process that maps it shares its pages.
//
// Threads: immutable after open().
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "spate/base/result.h"

namespace spate::models {

class MappedFile {
 public:
  // NotFound, PermissionDenied …; InvalidArgument for an empty file.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Page-aligned; valid as long as this object.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace spate::models
