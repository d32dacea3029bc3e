// SPDX-License-Identifier: Apache-2.0
#include "spate/base/text_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <optional>
#include <utility>

#include "spate/base/check.h"
#include "spate/base/files.h"

namespace spate {
namespace {

constexpr int kGzipOnly = 16 + MAX_WBITS;  // zlib's way to ask for gzip's frame
constexpr std::string_view kMagic = "\x1f\x8b";
constexpr std::size_t kPiece = 1U << 16U;

Error bad(const std::string& name, const std::string& what) {
  return {ErrorCode::InvalidArgument, name + ": " + what};
}

}  // namespace

struct Gunzip::Stream {
  z_stream z{};
  std::array<char, kPiece> buffer{};
};

Gunzip::Gunzip(std::string name, std::size_t most_bytes)
    : name_(std::move(name)), most_bytes_(most_bytes), stream_(std::make_unique<Stream>()) {
  SPATE_CHECK(inflateInit2(&stream_->z, kGzipOnly) == Z_OK, "memory to unpack gzip");
}

Gunzip::~Gunzip() { inflateEnd(&stream_->z); }

Status Gunzip::feed(std::string_view packed, const TextSink& sink) {
  z_stream& z = stream_->z;
  while (!packed.empty()) {
    // zlib's counters are 32-bit, so the input is fed in pieces.
    const std::size_t piece = std::min<std::size_t>(packed.size(), 1U << 30U);
    // zlib never writes through next_in; its type is older than const.
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    z.avail_in = static_cast<uInt>(piece);
    packed.remove_prefix(piece);
    // Until it has taken all and has nothing more to give.
    for (bool full = false; z.avail_in > 0 || full;) {
      if (std::exchange(between_, false) && inflateReset(&z) != Z_OK) {
        return bad(name_, "damaged gzip data");
      }
      z.next_out = reinterpret_cast<Bytef*>(stream_->buffer.data());
      z.avail_out = static_cast<uInt>(stream_->buffer.size());
      const int code = inflate(&z, Z_NO_FLUSH);
      const std::size_t got = stream_->buffer.size() - z.avail_out;
      full = z.avail_out == 0 && code == Z_OK;
      unpacked_ += got;
      if (unpacked_ > most_bytes_) {
        return bad(name_, "unpacks to more than " + std::to_string(most_bytes_) + " bytes");
      }
      if (got > 0) {
        if (Status taken = sink({stream_->buffer.data(), got}); !taken) return taken;
      }
      between_ = code == Z_STREAM_END;
      if (between_ || code == Z_OK || code == Z_BUF_ERROR) continue;
      return bad(name_, std::string("damaged gzip data") +
                            (z.msg != nullptr ? std::string(" (") + z.msg + ")" : ""));
    }
  }
  return ok();
}

Status Gunzip::finish() const {
  if (between_) return ok();
  return bad(name_, "the gzip data ends too early: the file was cut");
}

Result<std::string> gunzip(std::string_view packed, const std::string& name,
                           std::size_t most_bytes) {
  std::string out;
  Gunzip unpacker(name, most_bytes);
  if (Status s = unpacker.feed(packed,
                               [&](std::string_view piece) {
                                 out += piece;
                                 return ok();
                               });
      !s) {
    return s.error();
  }
  if (Status s = unpacker.finish(); !s) return s.error();
  return out;
}

Status read_text_pieces(const std::filesystem::path& path, const TextSink& sink) {
  std::error_code failed;
  if (std::filesystem::is_directory(path, failed)) {
    return Error{ErrorCode::InvalidArgument, "cannot read " + path.string() + ": is a directory"};
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return error_from_errno("cannot open " + path.string(), errno);
  std::string piece(kPiece, '\0');
  std::optional<Gunzip> unpacker;
  for (bool first = true; in; first = false) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (in.bad()) return error_from_errno("cannot read " + path.string(), errno);
    const std::string_view got(piece.data(), static_cast<std::size_t>(in.gcount()));
    if (first && got.substr(0, kMagic.size()) == kMagic) unpacker.emplace(path.string());
    if (got.empty()) break;
    if (Status s = unpacker ? unpacker->feed(got, sink) : sink(got); !s) return s;
  }
  return unpacker ? unpacker->finish() : ok();
}

Result<std::string> read_text_or_gz(const std::filesystem::path& path) {
  std::string out;
  if (Status s = read_text_pieces(path,
                                  [&](std::string_view piece) {
                                    out += piece;
                                    return ok();
                                  });
      !s) {
    return s.error();
  }
  return out;
}

}  // namespace spate
