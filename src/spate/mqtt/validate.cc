// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "spate/mqtt/codec.h"

namespace spate::mqtt {
namespace {

constexpr std::size_t kMaxText = 65535;

Error invalid(std::string message) { return Error{ErrorCode::InvalidArgument, std::move(message)}; }

// How many bytes the UTF-8 sequence at the start of `text` has, or 0 when it is not one.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  std::size_t length = 0;
  std::uint32_t smallest = 0;
  std::uint32_t point = 0;
  if (lead < 0x80) return lead == 0 ? 0 : 1;
  if ((lead & 0xE0) == 0xC0) {
    length = 2, smallest = 0x80, point = lead & 0x1FU;
  } else if ((lead & 0xF0) == 0xE0) {
    length = 3, smallest = 0x800, point = lead & 0x0FU;
  } else if ((lead & 0xF8) == 0xF0) {
    length = 4, smallest = 0x10000, point = lead & 0x07U;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3FU);
  }
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return point < smallest || surrogate || point > 0x10FFFF ? 0 : length;
}

Status check_text(std::string_view what, std::string_view text) {
  if (text.size() > kMaxText) {
    return invalid(fmt::format("the {} has {} bytes; MQTT allows {}", what, text.size(), kMaxText));
  }
  if (!is_valid_text(text)) return invalid(fmt::format("the {} is not valid UTF-8", what));
  return ok();
}

}  // namespace

bool is_valid_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

Status validate(const Message& message) {
  if (message.topic.empty()) return invalid("the topic is empty");
  for (const auto& [what, text] :
       {std::pair<std::string_view, std::string_view>{"topic", message.topic},
        {"response topic", message.response_topic},
        {"content type", message.content_type}}) {
    if (Status status = check_text(what, text); !status) return status;
  }
  for (const std::string* topic : {&message.topic, &message.response_topic}) {
    if (topic->find_first_of("+#") != std::string::npos) {
      return invalid(fmt::format("the topic \"{}\" has wildcards", *topic));
    }
  }
  if (message.correlation_data.size() > kMaxText) {
    return invalid(fmt::format("the correlation data has {} bytes; MQTT allows {}",
                               message.correlation_data.size(), kMaxText));
  }
  for (const auto& [name, value] : message.user_properties) {
    if (Status status = check_text("name of a user property", name); !status) return status;
    if (Status status = check_text("value of a user property", value); !status) return status;
  }
  if (publish_size(message) > kMaxRemainingLength) {
    return invalid(fmt::format("a message of {} bytes; MQTT allows {}", publish_size(message),
                               kMaxRemainingLength));
  }
  return ok();
}

Status validate_filter(std::string_view filter) {
  if (filter.empty()) return invalid("the topic filter is empty");
  if (Status status = check_text("topic filter", filter); !status) return status;
  std::size_t start = 0;
  while (start <= filter.size()) {
    const std::size_t end = std::min(filter.find('/', start), filter.size());
    const std::string_view level = filter.substr(start, end - start);
    const bool wild = level.find_first_of("+#") != std::string_view::npos;
    if ((wild && level.size() > 1) || (level == "#" && end != filter.size())) {
      return invalid(
          fmt::format("\"{}\" is not a topic filter: + and # stand for whole levels, "
                      "# for the last",
                      filter));
    }
    start = end + 1;
  }
  return ok();
}

}  // namespace spate::mqtt
