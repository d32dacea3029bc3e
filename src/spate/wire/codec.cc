// SPDX-License-Identifier: Apache-2.0
#include "spate/wire/codec.h"

#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <type_traits>
#include <utility>

#include "spate/base/check.h"

namespace spate::wire {

static_assert(std::endian::native == std::endian::little, "integers are copied as they are");

namespace {

// The fields of every message, once, in their order on the wire. `a` is a Writer, a Sizer or a
// Reader.
template <class A, class M>
requires std::is_empty_v<M>
void fields(A&, M&) {}

template <class A, class M>
constexpr bool kIs = std::is_same_v<std::remove_const_t<M>, A>;

template <class A, class M>
requires(!std::is_empty_v<M>) void fields(A& a, M& m) {
  if constexpr (kIs<Register, M>) {
    a(m.token, m.model, m.variant, m.version, m.replica_id, m.pid, m.container_id, m.cpu_limit,
      m.max_batch, m.ready, m.metrics_address);
  } else if constexpr (kIs<Ready, M>) {
    a(m.exec_to_main, m.load, m.warm_up, m.credits);
  } else if constexpr (kIs<Credits, M>) {
    a(m.credits);
  } else if constexpr (kIs<ItemResult, M>) {
    a(m.request_id, m.code, m.body);
  } else if constexpr (kIs<BatchResult, M>) {
    a(m.batch_id, m.service, m.items);
  } else if constexpr (kIs<Pong, M> || kIs<Ping, M>) {
    a(m.nonce);
  } else if constexpr (kIs<Registered, M>) {
    a(m.gateway_id);
  } else if constexpr (kIs<Refused, M>) {
    a(m.reason);
  } else if constexpr (kIs<Item, M>) {
    a(m.request_id, m.content_type, m.payload, m.budget);
  } else if constexpr (kIs<Batch, M>) {
    a(m.batch_id, m.items);
  } else {
    static_assert(kIs<CpuLimit, M>);
    a(m.cpus, m.duty_cycle);
  }
}

// The smallest encoding of an entry, which bounds a list's count by the bytes that are there.
constexpr std::size_t smallest(const ItemResult*) { return 8 + 1 + 4; }
constexpr std::size_t smallest(const Item*) { return 8 + 4 + 4 + 8; }

class Sizer {
 public:
  template <class... F>
  void operator()(const F&... f) {
    (add(f), ...);
  }
  std::size_t size = 0;

 private:
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void add(T) { size += sizeof(T); }
  void add(Duration) { size += 8; }
  void add(const std::string& text) { size += 4 + text.size(); }
  template <class E>
  void add(const std::vector<E>& list) {
    size += 4;
    for (const E& entry : list) fields(*this, entry);
  }
};

// Writes into a buffer that Sizer measured.
class Writer {
 public:
  explicit Writer(char* at) : at_(at) {}
  template <class... F>
  void operator()(const F&... f) {
    (put(f), ...);
  }
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void put(T value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  const char* at() const { return at_; }

 private:
  void put(Duration value) { put(static_cast<std::int64_t>(value.count())); }
  void put(const std::string& text) {
    put(static_cast<std::uint32_t>(text.size()));
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  template <class E>
  void put(const std::vector<E>& list) {
    put(static_cast<std::uint32_t>(list.size()));
    for (const E& entry : list) fields(*this, entry);
  }

  char* at_;
};

// Reads a frame's body; after the first thing that is wrong it reads nothing more.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}
  template <class... F>
  void operator()(F&... f) {
    (get(f), ...);
  }
  const char* problem() const { return problem_; }
  std::size_t rest() const { return rest_.size(); }

 private:
  bool take(void* to, std::size_t bytes) {
    if (problem_ != nullptr) return false;
    if (rest_.size() < bytes) {
      problem_ = "is cut short";
      return false;
    }
    std::memcpy(to, rest_.data(), bytes);
    rest_.remove_prefix(bytes);
    return true;
  }
  void fail_unless(bool good, const char* problem) {
    if (!good && problem_ == nullptr) problem_ = problem;
  }

  template <std::integral T>
  void get(T& value) {
    take(&value, sizeof value);
  }
  void get(bool& value) {
    std::uint8_t byte = 0;
    take(&byte, 1);
    fail_unless(byte <= 1, "has a boolean that is neither 0 nor 1");
    value = byte == 1;
  }
  void get(double& value) {
    take(&value, sizeof value);
    fail_unless(std::isfinite(value), "has a number that is not finite");
  }
  void get(ItemCode& value) {
    std::uint8_t byte = 0;
    take(&byte, 1);
    fail_unless(byte <= static_cast<std::uint8_t>(ItemCode::Expired), "has an unknown item code");
    if (problem_ == nullptr) value = static_cast<ItemCode>(byte);
  }
  void get(Duration& value) {
    std::int64_t ns = 0;
    take(&ns, sizeof ns);
    value = Duration{ns};
  }
  void get(std::string& text) {
    std::uint32_t size = 0;
    if (!take(&size, sizeof size)) return;
    fail_unless(size <= rest_.size(), "has a text that is longer than the frame");
    if (problem_ != nullptr) return;
    text.assign(rest_.data(), size);
    rest_.remove_prefix(size);
  }
  template <class E>
  void get(std::vector<E>& list) {
    std::uint32_t count = 0;
    if (!take(&count, sizeof count)) return;
    fail_unless(count <= rest_.size() / smallest(static_cast<const E*>(nullptr)),
                "has a list that is longer than the frame");
    if (problem_ != nullptr) return;
    list.resize(count);
    for (E& entry : list) {
      fields(*this, entry);
      if (problem_ != nullptr) return;
    }
  }

  std::string_view rest_;
  const char* problem_ = nullptr;
};

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kHeadBytes = 2;  // version, type: part of the length

template <class M>
std::size_t body_size(const M& message) {
  Sizer sizer;
  fields(sizer, message);
  return sizer.size;
}

template <class M>
void encode_as(std::uint8_t type, const M& message, std::string& out) {
  const std::size_t length = kHeadBytes + body_size(message);
  SPATE_CHECK(length <= kMaxFrameBytes, "the frame is too long: bound its items");
  const std::size_t begin = out.size();
  out.resize(begin + kLengthBytes + length);
  Writer writer(out.data() + begin);
  writer(static_cast<std::uint32_t>(length), kVersion, type);
  fields(writer, message);
  SPATE_CHECK(writer.at() == out.data() + out.size(), "Sizer and Writer disagree");
}

// A message's type on the wire is its place in Message, from 1.
template <class M, std::size_t I = 0>
constexpr std::uint8_t type_of() {
  if constexpr (std::is_same_v<M, std::variant_alternative_t<I, Message>>) {
    return I + 1;
  } else {
    return type_of<M, I + 1>();
  }
}
constexpr std::size_t kTypes = std::variant_size_v<Message>;

template <std::size_t I = 0>
void decode_body(std::uint8_t type, Reader& reader, Message& out) {
  if constexpr (I < kTypes) {
    if (type == I + 1) {
      auto& message = out.emplace<I>();
      fields(reader, message);
    } else {
      decode_body<I + 1>(type, reader, out);
    }
  }
}

std::string frame_name(std::uint8_t type) { return "frame of type " + std::to_string(type); }

Error bad_frame(std::string message) {
  return Error{ErrorCode::InvalidArgument, std::move(message)};
}

// What is wrong with the first bytes of a frame, as far as they are there.
std::optional<Error> check_head(std::string_view bytes) {
  if (bytes.size() >= kLengthBytes) {
    std::uint32_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    if (length < kHeadBytes || length > kMaxFrameBytes) {
      return bad_frame("frame of " + std::to_string(length) + " bytes; expected " +
                       std::to_string(kHeadBytes) + " to " + std::to_string(kMaxFrameBytes));
    }
  }
  if (bytes.size() > kLengthBytes) {
    const auto version = static_cast<std::uint8_t>(bytes[kLengthBytes]);
    if (version != kVersion) {
      return bad_frame("frame of protocol version " + std::to_string(version) + "; expected " +
                       std::to_string(kVersion));
    }
  }
  if (bytes.size() > kLengthBytes + 1) {
    const auto type = static_cast<std::uint8_t>(bytes[kLengthBytes + 1]);
    if (type < 1 || type > kTypes) {
      return bad_frame(frame_name(type) + ", which is unknown");
    }
  }
  return std::nullopt;
}

}  // namespace

void encode(const Message& message, std::string& out) {
  std::visit([&](const auto& m) { encode_as(type_of<std::remove_cvref_t<decltype(m)>>(), m, out); },
             message);
}
void encode(const Batch& message, std::string& out) { encode_as(type_of<Batch>(), message, out); }
void encode(const BatchResult& message, std::string& out) {
  encode_as(type_of<BatchResult>(), message, out);
}

std::size_t frame_size(const Message& message) {
  return kLengthBytes + kHeadBytes +
         std::visit([](const auto& m) { return body_size(m); }, message);
}
std::size_t item_size(const Item& item) { return body_size(item); }
std::size_t item_size(const ItemResult& item) { return body_size(item); }

void FrameReader::feed(std::string_view bytes) {
  if (begin_ == buffer_.size()) {
    buffer_.clear();
    begin_ = 0;
  } else if (begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(bytes);
}

Result<std::optional<Message>> FrameReader::next() {
  if (failed_) return *failed_;
  const std::string_view bytes = std::string_view(buffer_).substr(begin_);
  failed_ = check_head(bytes);
  if (failed_) return *failed_;
  if (bytes.size() < kLengthBytes + kHeadBytes) return std::optional<Message>{};
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (bytes.size() < kLengthBytes + length) return std::optional<Message>{};

  const auto type = static_cast<std::uint8_t>(bytes[kLengthBytes + 1]);
  Reader reader(bytes.substr(kLengthBytes + kHeadBytes, length - kHeadBytes));
  std::optional<Message> message(std::in_place);
  decode_body(type, reader, *message);
  if (reader.problem() != nullptr) {
    failed_ = bad_frame(frame_name(type) + " " + reader.problem());
    return *failed_;
  }
  if (reader.rest() != 0) {
    failed_ = bad_frame(frame_name(type) + " has " + std::to_string(reader.rest()) +
                        " bytes after its last field");
    return *failed_;
  }
  begin_ += kLengthBytes + length;
  return message;
}

}  // namespace spate::wire
