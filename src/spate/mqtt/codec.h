// SPDX-License-Identifier: Apache-2.0
//
// Codec: MQTT 5 packets to bytes and back. Used by Session; both directions of every packet are
// here, so that tests can play the broker.
//
// Decoding is strict: what the standard calls malformed (a wrong length, flag, UTF-8 string,
// property, over-long integer) or a protocol error (a property twice or in the wrong packet, a
// packet identifier of 0) is a CodecError with the reason code to send in DISCONNECT, never a
// guess. Every property of the standard is understood; those that no field stands for are
// checked and skipped. Reason codes are passed on as they come.
// Refused as a protocol error: QoS 2, AUTH, wills and topic aliases, which this client never
// asks for.
//
// Threads: one reader, one thread. The functions hold no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "spate/base/result.h"
#include "spate/mqtt/packets.h"

namespace spate::mqtt {

// The largest "remaining length" the format can express; a packet is at most 5 bytes longer.
inline constexpr std::size_t kMaxRemainingLength = 268'435'455;

struct CodecError {
  ReasonCode reason = ReasonCode::MalformedPacket;  // or ProtocolError, PacketTooLarge
  std::string message;
};

// Each appends one packet to `out`. Texts must be valid (see validate) and at most 65 535 bytes;
// a SPATE_CHECK guards against longer ones.
void encode(const Connect& packet, std::string& out);
void encode(const Connack& packet, std::string& out);
void encode(const Publish& packet, std::string& out);
void encode(const Puback& packet, std::string& out);
void encode(const Subscribe& packet, std::string& out);
void encode(const Suback& packet, std::string& out);
void encode(const Unsubscribe& packet, std::string& out);
void encode(const Unsuback& packet, std::string& out);
void encode(const Pingreq& packet, std::string& out);
void encode(const Pingresp& packet, std::string& out);
void encode(const Disconnect& packet, std::string& out);
void encode(const Packet& packet, std::string& out);

// A PUBLISH without copying the message into a packet. `packet_id` is ignored for QoS 0.
void encode_publish(const Message& message, std::uint16_t packet_id, bool duplicate,
                    std::string& out);
// The bytes encode_publish() appends.
std::size_t publish_size(const Message& message);

// What a message must satisfy to be sent: a topic that is not empty and has no wildcards, valid
// UTF-8 without U+0000 in every text, lengths that fit the format. InvalidArgument otherwise.
Status validate(const Message& message);
// As above for a topic filter: wildcards only as whole levels, `#` only last.
Status validate_filter(std::string_view filter);
// UTF-8 as MQTT wants it: well-formed, no surrogates, no U+0000 [MQTT-1.5.4-1, -2].
bool is_valid_text(std::string_view text);

// Reads packets out of a stream of bytes, in whatever pieces it comes.
//
//   const std::span<char> room = reader.prepare(65536);
//   reader.commit(read(room));
//   while (reader.next(packet) == PacketReader::Next::Ready) use(packet);
class PacketReader {
 public:
  enum class Next {
    Ready,     // `out` holds a packet
    NeedMore,  // no whole packet is there yet
    Broken,    // error() says why; the stream cannot be read any further
  };

  // Packets longer than this, fixed header included, break the stream as soon as their length
  // is known. Memory grows with the bytes that arrive, not with the length that is claimed.
  explicit PacketReader(std::size_t maximum_packet_bytes);

  // At least `wish` bytes to write to; valid until the next call of any member.
  std::span<char> prepare(std::size_t wish);
  // The first `count` bytes of what prepare() gave are filled.
  void commit(std::size_t count);
  void append(std::string_view bytes);  // prepare, copy, commit

  Next next(Packet& out);
  const CodecError& error() const { return error_; }  // Requires Broken

  void reset();  // for a new connection: forgets bytes and error
  std::size_t buffered() const { return end_ - begin_; }

 private:
  std::size_t maximum_packet_bytes_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // of the unread bytes
  std::size_t end_ = 0;
  bool broken_ = false;
  CodecError error_;
};

// Decodes one packet's body (what follows the fixed header). Returns the error, or nothing and
// the packet in `out`. `flags` are the low four bits of the first byte.
std::optional<CodecError> decode_body(PacketType type, std::uint8_t flags, std::string_view body,
                                      Packet& out);

}  // namespace spate::mqtt
