// SPDX-License-Identifier: Apache-2.0
#include "spate/wire/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "spate/base/rng.h"

namespace spate::wire {
namespace {

using std::chrono::nanoseconds;
using ::testing::HasSubstr;

std::string bytes_of(const Message& message) {
  std::string out;
  encode(message, out);
  return out;
}

std::string hex(const std::string& bytes) {
  std::string out;
  for (const unsigned char c : bytes) {
    char two[4];
    std::snprintf(two, sizeof two, "%02x ", c);
    out += two;
  }
  if (!out.empty()) out.pop_back();
  return out;
}

// One of each, every field away from its default.
std::vector<Message> every_message() {
  return {
      Register{.token = "secret",
               .model = "resnet50",
               .variant = "fp32",
               .version = "0123456789ab",
               .replica_id = "resnet50-7",
               .pid = 4711,
               .container_id = "c0ffee",
               .cpu_limit = 0.3,
               .max_batch = 8,
               .ready = true,
               .metrics_address = "10.0.0.7:9100"},
      Ready{.exec_to_main = nanoseconds(1),
            .load = nanoseconds(2),
            .warm_up = nanoseconds(-3),
            .credits = 4},
      Credits{.credits = 5},
      BatchResult{.batch_id = 6,
                  .service = nanoseconds(7),
                  .items = {{.request_id = 8, .code = ItemCode::Ok, .body = R"("class":"pits")"},
                            {.request_id = 9, .code = ItemCode::BadInput, .body = "no row"},
                            {.request_id = 10, .code = ItemCode::ModelFailed, .body = ""},
                            {.request_id = 11, .code = ItemCode::Expired, .body = "late"}}},
      Draining{},
      Goodbye{},
      Pong{.nonce = std::numeric_limits<std::uint64_t>::max()},
      Registered{.gateway_id = "gw"},
      Refused{.reason = "wrong token"},
      Batch{.batch_id = 12,
            .items = {{.request_id = 13,
                       .content_type = "image/jpeg",
                       .payload = std::string("\xff\xd8\0\xff", 4),
                       .budget = nanoseconds(14)},
                      {.request_id = 15, .content_type = "", .payload = "", .budget = {}}}},
      CpuLimit{.cpus = 0.9, .duty_cycle = true},
      Drain{},
      Ping{.nonce = 16},
  };
}

// Messages have no operator==; a message's encoding is unique, so its bytes stand for it.
void expect_same(const Message& a, const Message& b) {
  EXPECT_EQ(a.index(), b.index());
  EXPECT_EQ(hex(bytes_of(a)), hex(bytes_of(b)));
}

TEST(WireCodec, BytesAreAsDocumented) {
  EXPECT_EQ(hex(bytes_of(Ping{.nonce = 0x0102030405060708})),
            "0a 00 00 00 01 0d 08 07 06 05 04 03 02 01");
  EXPECT_EQ(hex(bytes_of(Drain{})), "02 00 00 00 01 0c");
  EXPECT_EQ(hex(bytes_of(CpuLimit{.cpus = 1.5, .duty_cycle = true})),
            "0b 00 00 00 01 0b 00 00 00 00 00 00 f8 3f 01");
  EXPECT_EQ(hex(bytes_of(Registered{.gateway_id = "gw"})), "08 00 00 00 01 08 02 00 00 00 67 77");
  EXPECT_EQ(hex(bytes_of(
                BatchResult{.batch_id = 1,
                            .service = nanoseconds(2),
                            .items = {{.request_id = 3, .code = ItemCode::Expired, .body = "x"}}})),
            "24 00 00 00 01 04 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 01 00 00 00 "
            "03 00 00 00 00 00 00 00 03 01 00 00 00 78");
  EXPECT_EQ(hex(bytes_of(Batch{.batch_id = 1,
                               .items = {{.request_id = 2,
                                          .content_type = "a",
                                          .payload = "b",
                                          .budget = nanoseconds(-1)}}})),
            "28 00 00 00 01 0a 01 00 00 00 00 00 00 00 01 00 00 00 02 00 00 00 00 00 00 00 "
            "01 00 00 00 61 01 00 00 00 62 ff ff ff ff ff ff ff ff");
}

TEST(WireCodec, EveryMessageSurvivesTheRoundTrip) {
  const auto messages = every_message();
  ASSERT_EQ(messages.size(), std::variant_size_v<Message>);
  for (const Message& message : messages) {
    const std::string bytes = bytes_of(message);
    EXPECT_EQ(frame_size(message), bytes.size());
    FrameReader reader;
    reader.feed(bytes);
    auto back = reader.next();
    ASSERT_TRUE(back) << back.error().message;
    ASSERT_TRUE(back->has_value());
    expect_same(**back, message);
    EXPECT_EQ(reader.pending_bytes(), 0U);
    const auto nothing = reader.next();
    ASSERT_TRUE(nothing);
    EXPECT_FALSE(nothing->has_value());
  }
}

TEST(WireCodec, SizesOfItemsAddUp) {
  const Batch batch = std::get<Batch>(every_message()[9]);
  std::size_t items = 0;
  for (const Item& item : batch.items) items += item_size(item);
  EXPECT_EQ(frame_size(batch), frame_size(Batch{}) + items);
  EXPECT_LE(frame_size(Batch{}), kFrameOverhead);
  EXPECT_LE(frame_size(BatchResult{}), kFrameOverhead);
  std::string direct;
  encode(batch, direct);
  EXPECT_EQ(direct, bytes_of(batch));
}

TEST(WireCodec, AnyCutOfTheStreamGivesTheSameMessages) {
  std::string stream;
  const auto messages = every_message();
  for (const Message& message : messages) encode(message, stream);
  for (const std::size_t step : {1U, 2U, 3U, 7U, 64U, 4096U}) {
    FrameReader reader;
    std::size_t seen = 0;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      reader.feed(std::string_view(stream).substr(at, step));
      for (;;) {
        auto message = reader.next();
        ASSERT_TRUE(message) << message.error().message;
        if (!message->has_value()) break;
        ASSERT_LT(seen, messages.size());
        expect_same(**message, messages[seen]);
        ++seen;
      }
    }
    EXPECT_EQ(seen, messages.size()) << "in steps of " << step;
  }
}

// A frame whose end is missing inside: the length says less than the fields need.
TEST(WireCodec, EveryTruncationIsRefused) {
  for (const Message& message : every_message()) {
    const std::string whole = bytes_of(message);
    for (std::size_t keep = 6; keep < whole.size(); ++keep) {
      std::string cut = whole.substr(0, keep);
      const auto length = static_cast<std::uint32_t>(keep - 4);
      std::memcpy(cut.data(), &length, 4);
      FrameReader reader;
      reader.feed(cut);
      const auto result = reader.next();
      ASSERT_FALSE(result) << "type " << message.index() + 1 << " kept " << keep;
      EXPECT_EQ(result.error().code, ErrorCode::InvalidArgument);
      EXPECT_EQ(reader.next().error().message, result.error().message) << "it stays broken";
    }
    std::string longer = whole + '\0';
    const auto length = static_cast<std::uint32_t>(longer.size() - 4);
    std::memcpy(longer.data(), &length, 4);
    FrameReader reader;
    reader.feed(longer);
    EXPECT_THAT(reader.next().error().message, HasSubstr("1 bytes after its last field"));
  }
}

// With every bit flipped in turn, a frame is refused, waits for more, or decodes to a message
// whose own encoding is exactly those bytes.
TEST(WireCodec, EveryBitFlipIsRefusedOrFaithfullyDecoded) {
  int refused = 0;
  for (const Message& message : every_message()) {
    const std::string whole = bytes_of(message);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      FrameReader reader;
      reader.feed(flipped);
      const auto result = reader.next();
      if (!result) {
        ++refused;
      } else if (result->has_value()) {
        EXPECT_EQ(hex(bytes_of(**result)),
                  hex(flipped).substr(0, bytes_of(**result).size() * 3 - 1));
      }
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(WireCodec, RandomBytesNeverDecodeToSomethingElse) {
  Rng rng(11, "wire");
  for (int round = 0; round < 20000; ++round) {
    std::string noise(rng.below(60), '\0');
    for (char& c : noise) c = static_cast<char>(rng.below(256));
    if (noise.size() >= 6) {  // a head that passes, so that bodies are reached
      const auto length = static_cast<std::uint32_t>(noise.size() - 4);
      std::memcpy(noise.data(), &length, 4);
      noise[4] = static_cast<char>(kVersion);
      noise[5] = static_cast<char>(1 + rng.below(std::variant_size_v<Message>));
    }
    FrameReader reader;
    reader.feed(noise);
    const auto result = reader.next();
    if (result && result->has_value()) {
      ASSERT_EQ(hex(bytes_of(**result)), hex(noise));
    }
  }
}

std::string refusal(std::string_view bytes) {
  FrameReader reader;
  reader.feed(bytes);
  const auto result = reader.next();
  return result ? "accepted" : result.error().message;
}

TEST(WireCodec, ABadHeadIsRefusedBeforeTheBodyArrives) {
  using namespace std::string_literals;
  EXPECT_THAT(refusal("\x01\x00\x00\x00"s), HasSubstr("frame of 1 bytes"));
  EXPECT_THAT(refusal("\x01\x00\x00\x04"s), HasSubstr("frame of 67108865 bytes"));
  EXPECT_EQ(refusal("\x00\x00\x00\x04"s), "accepted") << "the longest frame, still to come";
  EXPECT_THAT(refusal("\x10\x00\x00\x00\x02"s), HasSubstr("protocol version 2; expected 1"));
  EXPECT_THAT(refusal("\x10\x00\x00\x00\x01\x00"s), HasSubstr("type 0, which is unknown"));
  EXPECT_THAT(refusal("\x10\x00\x00\x00\x01\x0e"s), HasSubstr("type 14, which is unknown"));
}

TEST(WireCodec, ValuesOutOfRangeAreRefused) {
  std::string limit = bytes_of(CpuLimit{.cpus = 1.0});
  std::string bad = limit;
  bad.back() = 2;
  EXPECT_THAT(refusal(bad), HasSubstr("neither 0 nor 1"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::memcpy(limit.data() + 6, &nan, 8);
  EXPECT_THAT(refusal(limit), HasSubstr("not finite"));
  std::string result =
      bytes_of(BatchResult{.items = {{.request_id = 1, .code = ItemCode::Ok, .body = ""}}});
  result[result.size() - 5] = 4;
  EXPECT_THAT(refusal(result), HasSubstr("unknown item code"));
}

TEST(WireCodec, AListThatClaimsMoreThanTheFrameHoldsCostsNoMemory) {
  std::string batch = bytes_of(Batch{});
  const std::uint32_t many = 0xffffffff;
  std::memcpy(batch.data() + batch.size() - 4, &many, 4);
  EXPECT_THAT(refusal(batch), HasSubstr("list that is longer than the frame"));
}

TEST(WireCodecDeathTest, AFrameThatIsTooLongIsOurOwnBug) {
  const Refused refused{.reason = std::string(kMaxFrameBytes, 'x')};
  std::string out;
  EXPECT_DEATH(encode(Message(refused), out), "too long");
}

}  // namespace
}  // namespace spate::wire
