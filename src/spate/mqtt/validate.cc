// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "spate/base/utf8.h"
#include "spate/mqtt/codec.h"

namespace spate::mqtt {
namespace {

constexpr std::size_t kMaxText = 65535;

Error invalid(std::string message) { return Error{ErrorCode::InvalidArgument, std::move(message)}; }

Status check_text(std::string_view what, std::string_view text) {
  if (text.size() > kMaxText) {
    return invalid(fmt::format("the {} has {} bytes; MQTT allows {}", what, text.size(), kMaxText));
  }
  if (!is_valid_text(text)) return invalid(fmt::format("the {} is not valid UTF-8", what));
  return ok();
}

}  // namespace

bool is_valid_text(std::string_view text) {
  return is_utf8(text) && text.find('\0') == std::string_view::npos;
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
