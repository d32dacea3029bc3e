// SPDX-License-Identifier: Apache-2.0
#include "spate/models/onnx_image/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace spate::models {

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return error_from_errno("cannot open " + path.string(), errno);
  struct stat status {};
  if (::fstat(file, &status) != 0) {
    const int why = errno;
    ::close(file);
    return error_from_errno("cannot read the size of " + path.string(), why);
  }
  if (!S_ISREG(status.st_mode) || status.st_size == 0) {
    ::close(file);
    return Error{ErrorCode::InvalidArgument, path.string() + " is empty or no regular file"};
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const int why = errno;
  ::close(file);
  if (address == MAP_FAILED) return error_from_errno("cannot map " + path.string(), why);
  return std::shared_ptr<const MappedFile>(
      new MappedFile({static_cast<const std::byte*>(address), size}));
}

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

}  // namespace spate::models
