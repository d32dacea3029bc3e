// SPDX-License-Identifier: Apache-2.0
//
// The first byte is the length of the pieces in which the unpacker gets its data, the second
// chooses:
//   even  the rest is a packed file: whole or in pieces it gives the same text or none, never more
//         of it than is allowed
//   odd   the rest is a text, which is packed as one or several members: it comes out again, and a
//         file that was cut or damaged is refused
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "spate/base/check.h"
#include "spate/base/text_file.h"
#include "testing/gzip.h"

namespace {

using namespace spate;

constexpr std::size_t kMostBytes = std::size_t{1} << 20U;
constexpr std::size_t kTrailerBytes = 8;  // of a member: checksum and length
constexpr std::size_t kMostMembers = 8;

struct Unpacked {
  std::string text;
  Status status = ok();
};

Unpacked unpack(std::string_view packed, std::size_t piece) {
  Unpacked out;
  Gunzip unpacker("fuzz", kMostBytes);
  while (out.status && !packed.empty()) {
    const std::string_view next = packed.substr(0, piece);
    packed.remove_prefix(next.size());
    out.status = unpacker.feed(next, [&](std::string_view got) {
      out.text += got;
      SPATE_CHECK(out.text.size() <= kMostBytes, "no more than is allowed is given on");
      return ok();
    });
  }
  if (out.status) out.status = unpacker.finish();
  return out;
}

void any_file(std::string_view packed, std::size_t piece) {
  const Unpacked pieces = unpack(packed, piece);
  const auto whole = gunzip(packed, "fuzz", kMostBytes);
  SPATE_CHECK(whole.has_value() == pieces.status.has_value(), "where it is cut");
  if (whole) {
    SPATE_CHECK(*whole == pieces.text, "where it is cut");
  } else {
    SPATE_CHECK(whole.error().message == pieces.status.error().message, "one complaint");
  }
}

void packed_text(std::string_view text, std::size_t piece, std::uint8_t how) {
  const std::size_t members = 1 + how % kMostMembers;
  const std::size_t each = text.size() / members + 1;
  std::string packed;
  for (std::size_t from = 0; from < std::max<std::size_t>(text.size(), 1); from += each) {
    packed += test::gzip(std::string(text.substr(from, each)));
  }
  const Unpacked out = unpack(packed, piece);
  SPATE_CHECK(out.status && out.text == text, "what was packed comes out");

  const std::size_t missing = 1 + how % kTrailerBytes;
  SPATE_CHECK(!unpack(std::string_view(packed).substr(0, packed.size() - missing), piece).status,
              "a file that was cut is refused");
  packed[packed.size() - missing] ^= static_cast<char>(1U << how % 8U);
  SPATE_CHECK(!unpack(packed, piece).status, "a wrong checksum or length is refused");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t piece = std::size_t{1} + data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  if (data[1] % 2 == 0) {
    any_file(rest, piece);
  } else {
    packed_text(rest, piece, data[1] / 2);
  }
  return 0;
}
