// SPDX-License-Identifier: Apache-2.0
//
// Frames: u32 length (little-endian; of what follows), u8 version, u8 message type, body. In the
// body integers are little-endian, doubles IEEE 754 binary64, strings u32 length + bytes, lists
// u32 count + entries, Durations i64 nanoseconds, booleans one byte 0 or 1. One encoding per
// message: what decodes is encoded back to the same bytes. docs/wire-protocol.md has the tables.
//
// Threads: one at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spate/base/result.h"
#include "spate/wire/messages.h"

namespace spate::wire {

// Appends the frame of `message` to `out`. Requires frame_size(message) <= kMaxFrameBytes + 4:
// who builds a Batch or a BatchResult bounds its items with item_size().
void encode(const Message& message, std::string& out);
// The same without a copy into a Message.
void encode(const Batch& message, std::string& out);
void encode(const BatchResult& message, std::string& out);

// Bytes that encode() appends, the length field included.
std::size_t frame_size(const Message& message);
// What one entry adds to its frame; a Batch or BatchResult without entries is shorter than
// kFrameOverhead.
std::size_t item_size(const Item& item);
std::size_t item_size(const ItemResult& item);
inline constexpr std::size_t kFrameOverhead = 64;

// Cuts a byte stream into messages, whatever the sizes it arrives in.
class FrameReader {
 public:
  void feed(std::string_view bytes);

  // The next whole message, nothing when more bytes are needed, or InvalidArgument for a frame
  // that is too long, of another version, of an unknown type, cut short or overlong inside, or
  // with a value out of range. Length, version and type are checked as soon as they are there.
  // After an error the stream cannot be resumed (every further call returns it again): close
  // the connection.
  Result<std::optional<Message>> next();

  // Bytes fed and not yet returned.
  std::size_t pending_bytes() const { return buffer_.size() - begin_; }

 private:
  std::string buffer_;
  std::size_t begin_ = 0;  // consumed prefix of buffer_
  std::optional<Error> failed_;
};

}  // namespace spate::wire
