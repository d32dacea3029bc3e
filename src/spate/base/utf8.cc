// SPDX-License-Identifier: Apache-2.0
#include "spate/base/utf8.h"

#include <cstddef>
#include <cstdint>

namespace spate {
namespace {

// How many bytes the UTF-8 sequence at the start of `text` has, or 0 when it is not one.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  std::size_t length = 0;
  std::uint32_t smallest = 0;
  std::uint32_t point = 0;
  if (lead < 0x80) return 1;
  if ((lead & 0xE0) == 0xC0) {
    length = 2, smallest = 0x80, point = lead & 0x1FU;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3, smallest = 0x800, point = lead & 0x0FU;
  } else if ((lead & 0xF8) == 0xF0) {
    length = 4, smallest = 0x10000, point = lead & 0x07U;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3FU);
  }
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return point < smallest || surrogate || point > 0x10FFFF ? 0 : length;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace spate
