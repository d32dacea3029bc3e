// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/single_topic.h"

#include <simdjson.h>

#include <algorithm>
#include <optional>

#include "spate/base/base64.h"

namespace spate::gateway {

namespace {

using simdjson::dom::element;
using simdjson::dom::object;

Error bad(std::string message) { return Error{ErrorCode::InvalidArgument, std::move(message)}; }

std::optional<element> first_of(const object& message,
                                std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    element found;
    if (message.at_key(name).get(found) == simdjson::SUCCESS) return found;
  }
  return std::nullopt;
}

bool is_list_of_rows(const element& data) {
  simdjson::dom::array rows;
  if (data.get(rows) != simdjson::SUCCESS || rows.size() == 0) return false;
  const element first = rows.at(0);
  return first.is_array() || first.is_object();
}

Status read_table(const object& message, SingleTopicInput& input) {
  const auto data = first_of(message, {"data", "features", "instances"});
  if (!data || !(data->is_array() || data->is_object())) {
    return bad("expected \"data\" (or \"features\", \"instances\") with a list or an object");
  }
  input.content_type = "application/json";
  input.payload = is_list_of_rows(*data) ? "{\"instances\":" : "{\"features\":";
  input.payload += simdjson::minify(*data);
  input.payload += '}';
  return ok();
}

Status read_image(const object& message, SingleTopicInput& input) {
  const auto data = first_of(message, {"image", "data"});
  std::string_view text;
  if (!data || data->get(text) != simdjson::SUCCESS) {
    return bad("expected \"image\" (or \"data\") with the image's bytes in base64");
  }
  if (text.substr(0, 5) == "data:") {
    const std::size_t comma = text.find(',');
    if (comma == std::string_view::npos) return bad("the data: URL has no comma");
    text.remove_prefix(comma + 1);
  }
  std::string compact(text);
  std::erase_if(compact, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
  Result<std::string> bytes = base64_decode(compact);
  if (!bytes) return bad("the image is not base64: " + bytes.error().message);
  input.payload = std::move(bytes.value());
  if (input.payload.rfind("\xff\xd8", 0) == 0) {
    input.content_type = "image/jpeg";
  } else if (input.payload.rfind("\x89PNG", 0) == 0) {
    input.content_type = "image/png";
  } else {
    return bad("the image is neither JPEG nor PNG");
  }
  return ok();
}

std::string read_id(const object& message) {
  element id;
  if (message.at_key("id").get(id) != simdjson::SUCCESS) return "";
  std::string_view text;
  if (id.get(text) == simdjson::SUCCESS) return std::string(text);
  return id.is_number() ? simdjson::minify(id) : "";
}

}  // namespace

Result<SingleTopicInput> read_single_topic(std::string_view payload) {
  if (payload.empty()) return bad("the payload is empty, not JSON");
  simdjson::dom::parser parser;
  element root;
  if (const auto error = parser.parse(payload.data(), payload.size()).get(root)) {
    return bad(std::string("the payload is not JSON: ") + simdjson::error_message(error));
  }
  object message;
  if (root.get(message) != simdjson::SUCCESS) return bad("the payload is not a JSON object");
  std::string_view type;
  if (message.at_key("type").get(type) != simdjson::SUCCESS) {
    return bad("expected \"type\": \"numeric\", \"classification\" or \"image\"");
  }
  SingleTopicInput input;
  input.id = read_id(message);
  Status status = ok();
  if (type == "image") {
    input.type = InputType::Image;
    status = read_image(message, input);
  } else if (type == "numeric" || type == "classification") {
    input.type = type == "numeric" ? InputType::Numeric : InputType::Classification;
    status = read_table(message, input);
  } else {
    return bad("unknown \"type\"; expected \"numeric\", \"classification\" or \"image\"");
  }
  if (!status) return status.error();
  return input;
}

}  // namespace spate::gateway
