// SPDX-License-Identifier: Apache-2.0
//
// Any bytes, in pieces whose size the first byte chooses, into PacketReader. What it accepts can
// be written, and reads back as the same packet.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "spate/base/check.h"
#include "spate/mqtt/codec.h"

namespace {

using namespace spate::mqtt;

std::string encoded(const Packet& packet) {
  std::string out;
  encode(packet, out);
  return out;
}

void check_round_trip(const Packet& packet) {
  const std::string text = encoded(packet);
  PacketReader reader(1U << 20);
  reader.append(text);
  Packet again;
  SPATE_CHECK(reader.next(again) == PacketReader::Next::Ready, reader.error().message);
  SPATE_CHECK(encoded(again) == text, "a packet does not survive being written and read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = data[0] % 64 + std::size_t{1};
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  PacketReader reader(1U << 16);
  Packet packet;
  while (!rest.empty()) {
    reader.append(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
    while (reader.next(packet) == PacketReader::Next::Ready) check_round_trip(packet);
  }
  return 0;
}
