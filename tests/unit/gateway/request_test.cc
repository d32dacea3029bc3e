// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace spate::gateway {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const TimePoint kNow{std::chrono::hours(5)};
const WallTime kWall{std::chrono::microseconds(1'700'000'000'000'000)};

mqtt::Message message(std::vector<std::pair<std::string, std::string>> properties) {
  mqtt::Message made;
  made.topic = "spate/v1/infer/m";
  made.payload = "{}";
  made.user_properties = std::move(properties);
  return made;
}

ParsedRequest parse(std::vector<std::pair<std::string, std::string>> properties,
                    const RequestRules& rules = {}) {
  return parse_request(message(std::move(properties)), mqtt::AckHandle{7}, rules, kNow, kWall);
}

std::string sent(Duration ago) {
  const auto us =
      kWall.time_since_epoch() - std::chrono::duration_cast<std::chrono::microseconds>(ago);
  return std::to_string(us.count());
}

TEST(Request, ThereIsNoDeadlineUnlessOneIsGiven) {
  EXPECT_EQ(parse({}).request.deadline, TimePoint::max());
  EXPECT_EQ(parse({{"sent_unix_us", sent(1s)}}).request.deadline, TimePoint::max());
  RequestRules rules;
  rules.default_deadline = 2s;
  EXPECT_EQ(parse({}, rules).request.deadline, kNow + 2s);
  EXPECT_EQ(parse({{"deadline_ms", "1000"}}, rules).request.deadline, kNow + 1s);
}

TEST(Request, TheDeadlineRunsFromWhenItWasSent) {
  const auto parsed = parse({{"deadline_ms", "1000.5"}, {"sent_unix_us", sent(300ms)}});
  EXPECT_EQ(parsed.request.deadline, kNow + 700ms + 500us);
  EXPECT_FALSE(parsed.clock_disagrees);
  EXPECT_TRUE(parsed.bad_input.empty());
}

TEST(Request, ASenderWhoseClockIsAheadGetsNoMoreThanItsBudget) {
  const auto parsed = parse({{"deadline_ms", "1000"}, {"sent_unix_us", sent(-300ms)}});
  EXPECT_EQ(parsed.request.deadline, kNow + 1s);
  EXPECT_FALSE(parsed.clock_disagrees);
}

TEST(Request, BeyondTheBoundTheClocksDisagree) {
  RequestRules rules;
  rules.max_clock_difference = 10s;
  for (const Duration ago : {10s, -10s}) {
    EXPECT_FALSE(
        parse({{"deadline_ms", "60000"}, {"sent_unix_us", sent(ago)}}, rules).clock_disagrees);
  }
  for (const Duration ago : {Duration(10s) + 1us, Duration(-10s) - 1us}) {
    const auto parsed = parse({{"deadline_ms", "60000"}, {"sent_unix_us", sent(ago)}}, rules);
    EXPECT_TRUE(parsed.clock_disagrees);
    EXPECT_EQ(parsed.request.deadline, kNow + 60s);
  }
  for (const char* extreme : {"-9223372036854775808", "9223372036854775807"}) {
    EXPECT_TRUE(parse({{"deadline_ms", "1"}, {"sent_unix_us", extreme}}, rules).clock_disagrees);
  }
}

TEST(Request, MalformedPropertiesAreBadInput) {
  for (const char* bad : {"", "soon", "0", "-1", "1e3x", "nan", "inf", "86400001"}) {
    EXPECT_THAT(parse({{"deadline_ms", bad}}).bad_input, HasSubstr("deadline_ms")) << bad;
  }
  for (const char* bad : {"", "1.5", "now", "9223372036854775808"}) {
    EXPECT_THAT(parse({{"sent_unix_us", bad}}).bad_input, HasSubstr("sent_unix_us")) << bad;
  }
  EXPECT_TRUE(parse({{"deadline_ms", "86400000"}}).bad_input.empty());
  EXPECT_TRUE(parse({{"priority", "high"}, {"anything", "else"}}).bad_input.empty());
}

TEST(Request, TheLargestPayloadIsAccepted) {
  RequestRules rules;
  rules.max_payload_bytes = 2;
  EXPECT_TRUE(parse({}, rules).bad_input.empty());
  rules.max_payload_bytes = 1;
  EXPECT_THAT(parse({}, rules).bad_input, HasSubstr("2 bytes, at most 1"));
}

TEST(Request, ResultsAreJsonWhateverIsInTheId) {
  std::string id =
      "q\"\\\n\t\x01 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 bad:\xff\xc0\xaf\xed\xa0\x80";
  Request request;
  request.id = id;
  const mqtt::Message result =
      make_result(request, "m", "fp32", "\"prediction\":1.5", 1500us, 20ms);
  const auto json = nlohmann::json::parse(result.payload);  // throws on invalid UTF-8
  const std::string read = json["id"];
  EXPECT_EQ(read.substr(0, 18), id.substr(0, 18));
  EXPECT_THAT(read, HasSubstr("\xef\xbf\xbd"));
  EXPECT_EQ(json["prediction"], 1.5);
  EXPECT_EQ(json["queue_ms"], 1.5);
  EXPECT_EQ(json["service_ms"], 20.0);
  EXPECT_EQ(result.topic, "spate/v1/result/m");
}

TEST(Request, AnErrorResultHasWordAndMessage) {
  Request request;
  request.response_topic = "there";
  request.correlation_data = std::string("\0x", 2);
  request.traceparent = "t";
  const mqtt::Message result = make_error_result(request, "m", Outcome::Overloaded, "too \"much\"");
  EXPECT_EQ(result.payload,
            R"({"id":null,"model":"m","error":"overloaded","message":"too \"much\""})");
  EXPECT_EQ(result.topic, "there");
  EXPECT_EQ(result.correlation_data, request.correlation_data);
  EXPECT_EQ(*result.user_property("traceparent"), "t");
}

}  // namespace
}  // namespace spate::gateway
