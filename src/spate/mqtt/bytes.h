// SPDX-License-Identifier: Apache-2.0
//
// ByteReader and the put_ functions: MQTT's data types (section 1.5 of the standard). Internal
// to the codec.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spate/base/check.h"
#include "spate/mqtt/codec.h"

namespace spate::mqtt {

// Reads from a body; the first failure sticks, and everything read after it is zero or empty.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t u8() {
    if (!need(1)) return 0;
    const auto value = static_cast<std::uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }
  // A variable byte integer in its shortest form [MQTT-1.5.5-1].
  std::uint32_t varint() {
    std::uint32_t value = 0;
    for (int shift = 0; shift < 28; shift += 7) {
      const std::uint8_t byte = u8();
      value |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) {
        if (byte == 0 && shift > 0) malformed("an over-long integer");
        return value;
      }
    }
    malformed("an integer of more than four bytes");
    return 0;
  }
  std::string_view binary() { return take(u16()); }
  std::string_view text() {
    const std::string_view value = binary();
    if (!is_valid_text(value)) malformed("a text that is not valid UTF-8");
    return value;
  }
  std::string_view take(std::size_t count) {
    if (!need(count)) return {};
    const std::string_view value = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return value;
  }
  std::string_view take_rest() { return take(rest_.size()); }

  bool empty() const { return rest_.empty(); }
  bool ok() const { return !failed_; }
  CodecError& error() { return error_; }

  void malformed(std::string_view what) { fail(ReasonCode::MalformedPacket, what); }
  void protocol_error(std::string_view what) { fail(ReasonCode::ProtocolError, what); }

 private:
  bool need(std::size_t count) {
    if (rest_.size() >= count) return true;
    malformed("too short");
    return false;
  }
  void fail(ReasonCode reason, std::string_view what) {
    if (failed_) return;
    failed_ = true;
    error_ = CodecError{reason, std::string(what)};
    rest_ = {};
  }

  std::string_view rest_;
  bool failed_ = false;
  CodecError error_;
};

inline void put_u8(std::string& out, std::uint8_t value) {
  out.push_back(static_cast<char>(value));
}
inline void put_u16(std::string& out, std::uint16_t value) {
  put_u8(out, static_cast<std::uint8_t>(value >> 8));
  put_u8(out, static_cast<std::uint8_t>(value));
}
inline void put_u32(std::string& out, std::uint32_t value) {
  put_u16(out, static_cast<std::uint16_t>(value >> 16));
  put_u16(out, static_cast<std::uint16_t>(value));
}
inline void put_varint(std::string& out, std::size_t value) {
  SPATE_CHECK(value <= kMaxRemainingLength, "an MQTT packet above 256 MB");
  do {
    const auto low = static_cast<std::uint8_t>(value & 0x7F);
    value >>= 7;
    put_u8(out, value ? low | 0x80 : low);
  } while (value);
}
constexpr std::size_t varint_size(std::size_t value) {
  return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}
inline void put_text(std::string& out, std::string_view text) {
  SPATE_CHECK(text.size() <= 65535, "an MQTT text above 65535 bytes");
  put_u16(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

}  // namespace spate::mqtt
