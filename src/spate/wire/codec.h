// SPDX-License-Identifier: Apache-2.0
//
// Frames: u32 length (little-endian; of what follows), u8 version, u8 message type, body. In the
// body integers are little-endian, doubles IEEE 754 binary64, strings u32 length + bytes, lists
// u32 count + entries, Durations i64 nanoseconds.
//
// Threads: one at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spate/base/result.h"
#include "spate/wire/messages.h"

namespace spate::wire {

// Appends the frame of `message` to `out`.
void encode(const Message& message, std::string& out);

// Cuts a byte stream into messages, whatever the sizes it arrives in.
class FrameReader {
 public:
  void feed(std::string_view bytes);

  // The next whole message, nothing when more bytes are needed, or InvalidArgument for a frame
  // that is too long, of another version, of an unknown type, cut short or overlong inside.
  // After an error the stream cannot be resumed: close the connection.
  Result<std::optional<Message>> next();

 private:
  std::string buffer_;
  std::size_t begin_ = 0;  // consumed prefix of buffer_
};

}  // namespace spate::wire
