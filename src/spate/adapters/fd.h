// SPDX-License-Identifier: Apache-2.0
//
// Fd: owns a file descriptor and closes it. Moves, does not copy.
#pragma once

#include <unistd.h>

#include <utility>

namespace spate::adapters {

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  // Only descriptors of small files of ours end here, so errors of close() tell nothing.
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

}  // namespace spate::adapters
