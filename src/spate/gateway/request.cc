// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

namespace spate::gateway {

namespace {

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

constexpr double kMaxBudgetMs = 86'400'000.0;

// Deadline from the budget and when it was sent; says when the clocks disagree.
void set_deadline(ParsedRequest& parsed, Duration budget, std::optional<std::int64_t> sent_unix_us,
                  const RequestRules& rules, TimePoint now, WallTime wall_now) {
  Duration age{0};
  if (sent_unix_us) {
    const std::int64_t now_us = wall_now.time_since_epoch().count();
    const std::int64_t limit_us =
        std::chrono::duration_cast<std::chrono::microseconds>(rules.max_clock_difference).count();
    // Both are below 2^62 in size, so that the difference cannot overflow.
    const std::int64_t sent_us =
        std::clamp(*sent_unix_us, -(std::int64_t{1} << 61), std::int64_t{1} << 61);
    const std::int64_t age_us = now_us - sent_us;
    if (age_us > limit_us || age_us < -limit_us) {
      parsed.clock_disagrees = true;
    } else {
      // A sender's clock that is ahead does not give it more time than its budget.
      age = std::chrono::microseconds(std::max<std::int64_t>(age_us, 0));
    }
  }
  parsed.request.deadline = now + budget - age;
}

void read_properties(ParsedRequest& parsed, mqtt::Message& message, const RequestRules& rules,
                     TimePoint now, WallTime wall_now) {
  Duration budget = rules.default_deadline;
  std::optional<std::int64_t> sent_unix_us;
  for (auto& [name, value] : message.user_properties) {
    if (name == "deadline_ms") {
      const auto ms = whole_number<double>(value);
      if (!ms || !(*ms > 0.0) || *ms > kMaxBudgetMs) {
        parsed.bad_input = "deadline_ms must be a number of milliseconds in (0, 86400000]";
      } else {
        budget = from_ms(*ms);
      }
    } else if (name == "sent_unix_us") {
      sent_unix_us = whole_number<std::int64_t>(value);
      if (!sent_unix_us) {
        parsed.bad_input = "sent_unix_us must be a whole number of microseconds since 1970";
      }
    } else if (name == "id") {
      if (parsed.request.id.empty()) parsed.request.id = std::move(value);
    } else if (name == "traceparent") {
      if (parsed.request.traceparent.empty()) parsed.request.traceparent = std::move(value);
    }
  }
  if (budget > Duration{0}) set_deadline(parsed, budget, sent_unix_us, rules, now, wall_now);
}

// Length of the valid UTF-8 sequence at the start of `text`, or 0.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0U) == 0x80U; };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
    if (lead == 0xed && byte(1) > 0x9f) return 0;  // surrogates
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (lead == 0xf0 && byte(1) < 0x90) return 0;
    if (lead == 0xf4 && byte(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c);
  }
}

mqtt::Message result_message(const Request& request, std::string_view model) {
  mqtt::Message message;
  message.topic = request.response_topic.empty() ? std::string(kResultPrefix) + std::string(model)
                                                 : request.response_topic;
  message.qos = request.qos;
  message.content_type = "application/json";
  message.correlation_data = request.correlation_data;
  if (!request.traceparent.empty()) {
    message.user_properties.emplace_back("traceparent", request.traceparent);
  }
  return message;
}

void append_head(std::string& out, const Request& request, std::string_view model) {
  out += "{\"id\":";
  if (request.id.empty()) {
    out += "null";
  } else {
    append_json_string(out, request.id);
  }
  out += ",\"model\":";
  append_json_string(out, model);
}

}  // namespace

ParsedRequest parse_request(mqtt::Message&& message, mqtt::AckHandle handle,
                            const RequestRules& rules, TimePoint now, WallTime wall_now) {
  ParsedRequest parsed;
  Request& request = parsed.request;
  request.qos = message.qos;
  request.handle = handle;
  request.received = now;
  read_properties(parsed, message, rules, now, wall_now);
  request.response_topic = std::move(message.response_topic);
  request.correlation_data = std::move(message.correlation_data);
  request.content_type = std::move(message.content_type);
  request.payload = std::move(message.payload);
  if (request.payload.empty()) {
    parsed.bad_input = "the payload is empty";
  } else if (request.payload.size() > rules.max_payload_bytes) {
    parsed.bad_input = fmt::format("the payload has {} bytes, at most {} are accepted",
                                   request.payload.size(), rules.max_payload_bytes);
  } else if (request.content_type.size() > kMaxContentType) {
    parsed.bad_input = "the content type is too long";
  }
  return parsed;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t plain = 0;  // text before this was appended
  std::size_t at = 0;
  while (at < text.size()) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++at;
      continue;
    }
    const std::size_t length = c < 0x80 ? 1 : utf8_length(text.substr(at));
    if (c >= 0x80 && length > 0) {
      at += length;
      continue;
    }
    out.append(text, plain, at - plain);
    if (c < 0x80) {
      append_escape(out, c);
    } else {
      out += "\xef\xbf\xbd";  // U+FFFD
    }
    plain = ++at;
  }
  out.append(text, plain, text.size() - plain);
  out += '"';
}

mqtt::Message make_result(const Request& request, std::string_view model, std::string_view variant,
                          std::string_view fragment, Duration queued, Duration service) {
  mqtt::Message message = result_message(request, model);
  std::string& out = message.payload;
  out.reserve(fragment.size() + request.id.size() + model.size() + variant.size() + 96);
  append_head(out, request, model);
  out += ",\"variant\":";
  append_json_string(out, variant);
  if (!fragment.empty()) {
    out += ',';
    out += fragment;
  }
  fmt::format_to(std::back_inserter(out), ",\"queue_ms\":{:.3f},\"service_ms\":{:.3f}}}",
                 to_ms(queued), to_ms(service));
  return message;
}

mqtt::Message make_error_result(const Request& request, std::string_view model, Outcome outcome,
                                std::string_view text) {
  mqtt::Message message = result_message(request, model);
  append_head(message.payload, request, model);
  message.payload += ",\"error\":";
  append_json_string(message.payload, to_string(outcome));
  message.payload += ",\"message\":";
  append_json_string(message.payload, text);
  message.payload += '}';
  return message;
}

std::string_view explain(Outcome outcome) {
  switch (outcome) {
    case Outcome::Answered:
      return "answered";
    case Outcome::BadInput:
      return "the input cannot be read";
    case Outcome::UnknownModel:
      return "no such model";
    case Outcome::Overloaded:
      return "too much waits for this model to answer within the deadline; send less or later";
    case Outcome::Expired:
      return "the deadline passed, or could not be met any more, before its turn came";
    case Outcome::ModelFailed:
      return "every worker that tried it died or did not answer";
    case Outcome::ShuttingDown:
      return "the gateway is shutting down; send it again";
  }
  return "";
}

}  // namespace spate::gateway
