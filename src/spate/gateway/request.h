// SPDX-License-Identifier: Apache-2.0
//
// Request: an inference request as it came over MQTT, and the results that answer it
// (design 3.2). ModelSession reads and writes them; payloads are carried, never looked into.
//
// Threads: any; no shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spate/base/clock.h"
#include "spate/gateway/control.h"
#include "spate/mqtt/messages.h"

namespace spate::gateway {

inline constexpr std::string_view kInferPrefix = "spate/v1/infer/";
inline constexpr std::string_view kResultPrefix = "spate/v1/result/";
// Content types are short words; a longer one is refused, as it would travel with every item.
inline constexpr std::size_t kMaxContentType = 256;

struct Request {
  std::string payload;
  std::string content_type;
  std::string response_topic;  // "" = the model's default result topic
  std::string correlation_data;
  std::string id;           // user property `id`; "" = none was given
  std::string traceparent;  // user property; passed through
  mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
  mqtt::AckHandle handle = mqtt::AckHandle::None;
  TimePoint received{};
  TimePoint deadline = TimePoint::max();
};

struct RequestRules {
  std::size_t max_payload_bytes = 32U << 20;
  Duration default_deadline{0};  // 0 = none
  Duration max_clock_difference = std::chrono::seconds(60);
};

struct ParsedRequest {
  Request request;
  std::string bad_input;  // why it is refused, for the sender; "" = it is fine
  // sent_unix_us lies too far from our clock: the deadline runs from receipt.
  bool clock_disagrees = false;
};

// Takes the message apart (it is moved from). User properties: `deadline_ms` (a number above 0),
// `sent_unix_us` (microseconds since 1970), `id`, `traceparent`; `priority` is accepted and has
// no effect yet. What is malformed makes a bad_input, so that a sender learns of it; the rest of
// the request (where the answer goes) is filled in all the same.
ParsedRequest parse_request(mqtt::Message&& message, mqtt::AckHandle handle,
                            const RequestRules& rules, TimePoint now, WallTime wall_now);

// `text` in quotes, as a JSON string: escaped, and invalid UTF-8 replaced by U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// The answer to an answered request. `fragment` is the worker's: JSON members without braces.
mqtt::Message make_result(const Request& request, std::string_view model, std::string_view variant,
                          std::string_view fragment, Duration queued, Duration service);

// The answer to one that was not: {"id":…,"model":…,"error":…,"message":…}.
mqtt::Message make_error_result(const Request& request, std::string_view model, Outcome outcome,
                                std::string_view message);

// What a person is told about an outcome that no worker has explained.
std::string_view explain(Outcome outcome);

}  // namespace spate::gateway
