// SPDX-License-Identifier: Apache-2.0
#include "spate/base/files.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <iterator>

namespace spate {

Result<std::string> read_file(const std::filesystem::path& path) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) {
    return Error{ErrorCode::InvalidArgument, "cannot read " + path.string() + ": is a directory"};
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return error_from_errno("cannot open " + path.string(), errno);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) return error_from_errno("cannot read " + path.string(), errno);
  return text;
}

Status write_file(const std::filesystem::path& path, std::string_view content) {
  static std::atomic<unsigned> counter{0};
  std::error_code failed;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), failed);
  const std::filesystem::path temporary =
      path.string() + ".tmp" + std::to_string(::getpid()) + "." + std::to_string(++counter);
  {
    errno = 0;
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.close();
    if (!out) {
      const Error error = error_from_errno("cannot write " + path.string(), errno);
      std::filesystem::remove(temporary, failed);
      return error;
    }
  }
  std::filesystem::rename(temporary, path, failed);
  if (failed) {
    return Error{ErrorCode::Internal, "cannot write " + path.string() + ": " + failed.message()};
  }
  return ok();
}

}  // namespace spate
