// SPDX-License-Identifier: Apache-2.0
//
// Feeds bytes to FrameReader, cut in two at a place the first byte chooses; what decodes must
// encode back to the bytes it came from.
#include <cstdint>
#include <string>

#include "spate/base/check.h"
#include "spate/wire/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = bytes.empty() ? 0 : data[0] % bytes.size();
  spate::wire::FrameReader reader;
  std::string back;
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    reader.feed(part);
    for (;;) {
      const auto message = reader.next();
      if (!message) return 0;
      if (!message->has_value()) break;
      spate::wire::encode(**message, back);
    }
  }
  SPATE_CHECK(bytes.substr(0, back.size()) == back, "a message has two encodings");
  return 0;
}
