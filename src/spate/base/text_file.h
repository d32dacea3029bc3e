// SPDX-License-Identifier: Apache-2.0
//
// Files of text, gzip-compressed or not: archives of traces come either way. Whether a file is
// compressed is told by gzip's two magic bytes, whatever its name.
//
// Threads: a Gunzip one at a time; the functions any.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "spate/base/result.h"

namespace spate {

// No archive's file of counts is as large; a file that unpacks to more is refused.
inline constexpr std::size_t kMostUnpackedBytes = std::size_t{4} << 30;

// Takes a text piece by piece; what it returns ends the reading unless it is ok.
using TextSink = std::function<Status(std::string_view piece)>;

// Unpacks gzip as it comes (several members after each other are one text, as gzip itself has it).
class Gunzip {
 public:
  // `name` stands in messages.
  explicit Gunzip(std::string name, std::size_t most_bytes = kMostUnpackedBytes);
  ~Gunzip();
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  // The next bytes of the file. InvalidArgument "name: ..." for damaged data and for more than
  // `most_bytes` in all; else what `sink` returns. Not to be called again after an error.
  Status feed(std::string_view packed, const TextSink& sink);
  // The file is over: InvalidArgument when its data are not.
  Status finish() const;

 private:
  struct Stream;

  std::string name_;
  std::size_t most_bytes_;
  std::size_t unpacked_ = 0;
  bool between_ = false;  // one member has ended, no other has begun
  std::unique_ptr<Stream> stream_;
};

// All of it at once; errors as above.
Result<std::string> gunzip(std::string_view packed, const std::string& name,
                           std::size_t most_bytes = kMostUnpackedBytes);

// The content of `path` in pieces of some ten thousand bytes, unpacked, so that memory does not
// depend on the file's size. Errors of the file system, of Gunzip or of `sink`.
Status read_text_pieces(const std::filesystem::path& path, const TextSink& sink);
// The same as one text.
Result<std::string> read_text_or_gz(const std::filesystem::path& path);

}  // namespace spate
