// SPDX-License-Identifier: Apache-2.0
#include "spate/judge/text_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>

#include "spate/base/files.h"

namespace spate::judge {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib's way to ask for gzip's frame

Error bad(const std::string& name, const std::string& what) {
  return {ErrorCode::InvalidArgument, name + ": " + what};
}

struct EndInflate {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

}  // namespace

Result<std::string> gunzip(std::string_view packed, const std::string& name,
                           std::size_t most_bytes) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) {
    return Error{ErrorCode::Exhausted, name + ": no memory to unpack it"};
  }
  const std::unique_ptr<z_stream, EndInflate> guard(&stream);
  std::string out;
  std::array<char, 1 << 16> buffer{};
  std::size_t taken = 0;
  // zlib's counters are 32-bit, so the input is fed in pieces.
  const auto feed = [&] {
    const std::size_t piece = std::min<std::size_t>(packed.size() - taken, 1U << 30);
    // zlib never writes through next_in; its type is older than const.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + taken));
    stream.avail_in = static_cast<uInt>(piece);
    taken += piece;
  };
  feed();
  while (true) {
    if (stream.avail_in == 0) feed();
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    out.append(buffer.data(), buffer.size() - stream.avail_out);
    if (out.size() > most_bytes) {
      return bad(name, "unpacks to more than " + std::to_string(most_bytes) + " bytes");
    }
    if (code == Z_STREAM_END) {
      if (stream.avail_in == 0 && taken == packed.size()) return out;
      if (inflateReset(&stream) != Z_OK) return bad(name, "damaged gzip data");
      continue;
    }
    if (code == Z_OK) continue;
    if (code == Z_BUF_ERROR && stream.avail_in == 0 && taken == packed.size()) {
      return bad(name, "the gzip data ends too early: the file was cut");
    }
    if (code == Z_BUF_ERROR) continue;
    return bad(name, std::string("damaged gzip data") +
                         (stream.msg != nullptr ? std::string(" (") + stream.msg + ")" : ""));
  }
}

Result<std::string> read_text_or_gz(const std::filesystem::path& path) {
  auto content = read_file(path);
  if (!content) return content.error();
  if (content->substr(0, 2) != "\x1f\x8b") return content;
  return gunzip(*content, path.string());
}

}  // namespace spate::judge
