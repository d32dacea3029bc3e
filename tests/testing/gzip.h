// SPDX-License-Identifier: Apache-2.0
//
// gzip(): packed text for tests of what reads it.
#pragma once

#include <zlib.h>

#include <string>

#include "spate/base/check.h"

namespace spate::test {

// One member.
inline std::string gzip(const std::string& text) {
  z_stream stream{};
  SPATE_CHECK(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK,
              "memory to pack");
  std::string in = text;
  std::string out(deflateBound(&stream, in.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  SPATE_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END, "all of it fits");
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace spate::test
