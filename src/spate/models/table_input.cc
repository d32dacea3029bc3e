// SPDX-License-Identifier: Apache-2.0
#include "spate/models/table_input.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "spate/base/check.h"
#include "spate/base/config_reader.h"

namespace spate::models {
namespace {

Error bad_input(std::string message) {
  return Error{ErrorCode::InvalidArgument, std::move(message)};
}

// "application/json; charset=utf-8" -> "application/json".
std::string bare_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  for (char& c : type) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return type;
}

bool starts_like_json(std::string_view payload) {
  const auto first = payload.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (payload[first] == '{' || payload[first] == '[');
}

std::string_view image_type(std::string_view payload) {
  if (payload.substr(0, 3) == "\xFF\xD8\xFF") return "a JPEG image";
  if (payload.substr(0, 8) == "\x89PNG\r\n\x1A\n") return "a PNG image";
  return {};
}

std::string malformed(simdjson::error_code code, std::string_view payload) {
  for (const std::string_view word : {"NaN", "nan", "Infinity", "inf", "Inf"}) {
    if (payload.find(word) != std::string_view::npos) {
      return "malformed JSON: NaN and Infinity are no JSON numbers; every feature must be a finite "
             "number";
    }
  }
  return fmt::format("malformed JSON: {}", simdjson::error_message(code));
}

std::string_view what_is(simdjson::dom::element_type type) {
  using Type = simdjson::dom::element_type;
  switch (type) {
    case Type::ARRAY:
      return "a list";
    case Type::OBJECT:
      return "an object";
    case Type::STRING:
      return "text";
    case Type::BOOL:
      return "true or false";
    case Type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

// Excerpts of a sender's text in a message stay short.
std::string excerpt(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  return text.size() <= kLongest ? std::string(text) : std::string(text.substr(0, kLongest)) + "…";
}

std::string where(const std::string& prefix, const std::string& feature, std::size_t position) {
  return fmt::format("{}feature {} ({})", prefix, position + 1, feature);
}

}  // namespace

// Reads one request; lives for one decode().
struct TableDecoder::Json {
  const TableDecoder& decoder;
  TableRows& out;

  Status number(simdjson::dom::element value, const std::string& prefix, std::size_t position,
                double& into) const {
    if (value.get(into) != simdjson::SUCCESS) {
      std::string found(what_is(value.type()));
      std::string_view text;
      if (value.get(text) == simdjson::SUCCESS) found = "text \"" + excerpt(text) + "\"";
      return bad_input(fmt::format("{}: expected a number, got {}",
                                   where(prefix, decoder.features_[position], position), found));
    }
    if (!std::isfinite(into)) {
      return bad_input(fmt::format("{}: the number is not finite",
                                   where(prefix, decoder.features_[position], position)));
    }
    return ok();
  }

  Status by_position(simdjson::dom::array list, const std::string& prefix) const {
    const std::size_t expected = decoder.features_.size();
    const std::size_t start = out.values.size();
    out.values.resize(start + expected);
    std::size_t position = 0;
    for (const auto value : list) {
      if (position < expected) {
        const auto status = number(value, prefix, position, out.values[start + position]);
        if (!status) return status;
      }
      ++position;
    }
    if (position != expected) {
      return bad_input(fmt::format("{}expected {}, got {} numbers", prefix,
                                   decoder.expected_features(), position));
    }
    return ok();
  }

  Status by_name(simdjson::dom::object object, const std::string& prefix) const {
    const std::size_t expected = decoder.features_.size();
    const std::size_t start = out.values.size();
    out.values.resize(start + expected);
    std::vector<bool> seen(expected, false);
    for (const auto [key, value] : object) {
      const auto found = decoder.index_.find(std::string(key));
      if (found == decoder.index_.end()) {
        const auto near = nearest_word(key, decoder.features_);
        return bad_input(fmt::format(
            "{}unknown feature \"{}\"{}; expected {}", prefix, excerpt(key),
            near.empty() ? "" : fmt::format(" (\"{}\"?)", near), decoder.expected_features()));
      }
      const std::size_t position = found->second;
      if (seen[position]) {
        return bad_input(fmt::format("{}feature \"{}\" stands twice", prefix, excerpt(key)));
      }
      seen[position] = true;
      const auto status = number(value, prefix, position, out.values[start + position]);
      if (!status) return status;
    }
    std::string missing;
    for (std::size_t i = 0; i < expected; ++i) {
      if (!seen[i]) missing += (missing.empty() ? "" : ", ") + decoder.features_[i];
    }
    if (!missing.empty()) {
      return bad_input(fmt::format("{}missing feature {}; expected {}", prefix, missing,
                                   decoder.expected_features()));
    }
    return ok();
  }

  Status row(simdjson::dom::element value, const std::string& prefix) const {
    simdjson::dom::array list;
    if (value.get(list) == simdjson::SUCCESS) return by_position(list, prefix);
    simdjson::dom::object object;
    if (value.get(object) == simdjson::SUCCESS) return by_name(object, prefix);
    return bad_input(fmt::format("{}expected a list of {}, got {}", prefix,
                                 decoder.expected_features(), what_is(value.type())));
  }

  Status rows(simdjson::dom::element instances) const {
    simdjson::dom::array list;
    if (instances.get(list) != simdjson::SUCCESS) {
      return bad_input(
          fmt::format("instances: expected a list of rows, got {}", what_is(instances.type())));
    }
    for (const auto value : list) {
      if (out.rows == kMaxRows) {
        return bad_input(fmt::format("instances: more than {} rows in one request", kMaxRows));
      }
      // Building the prefix costs an allocation per row; only errors need it.
      if (auto status = row(value, ""); !status) {
        return bad_input(fmt::format("instances[{}]: {}", out.rows, status.error().message));
      }
      ++out.rows;
    }
    if (out.rows == 0) return bad_input("instances is empty: expected at least one row");
    return ok();
  }

  Status request(simdjson::dom::element document) const {
    simdjson::dom::object object;
    if (document.get(object) != simdjson::SUCCESS) {
      return bad_input(fmt::format(
          "expected a JSON object {{\"features\":[…]}} or {{\"instances\":[[…],…]}}, got {}",
          what_is(document.type())));
    }
    int found = 0;
    simdjson::dom::element content;
    for (const auto [key, value] : object) {
      if (key != "features" && key != "instances") continue;
      out.many = key == "instances";
      content = value;
      ++found;
    }
    if (found == 0) {
      return bad_input(
          fmt::format("no \"features\" and no \"instances\" in the JSON object; expected "
                      "{{\"features\":[…]}} with {}",
                      decoder.expected_features()));
    }
    if (found > 1) return bad_input("expected \"features\" or \"instances\" once, got several");
    if (out.many) return rows(content);
    out.rows = 1;
    return row(content, "");
  }
};

TableDecoder::TableDecoder(std::vector<std::string> features) : features_(std::move(features)) {
  SPATE_CHECK(!features_.empty(), "a table model has features");
  for (std::size_t i = 0; i < features_.size(); ++i) index_.emplace(features_[i], i);
}

std::string TableDecoder::expected_features() const {
  constexpr std::size_t kNamed = 24;
  std::string names;
  for (std::size_t i = 0; i < features_.size() && i < kNamed; ++i) {
    names += (i == 0 ? "" : ", ") + features_[i];
  }
  if (features_.size() > kNamed) names += ", …";
  return fmt::format("{} feature{} ({})", features_.size(), features_.size() == 1 ? "" : "s",
                     names);
}

Status TableDecoder::decode(const Input& input, TableRows& out) const {
  out.many = false;
  out.rows = 0;
  out.values.clear();
  Status status = ok();
  const std::string type = bare_type(input.content_type);
  if (input.payload.empty()) {
    status = bad_input("empty payload: expected " + expected_features());
  } else if (type == "application/json" || (type.empty() && starts_like_json(input.payload))) {
    status = decode_json(input.payload, out);
  } else if (type == "application/x-spate-f32") {
    status = decode_f32(input.payload, out);
  } else if (!type.empty()) {
    status = bad_input("content type \"" + excerpt(type) +
                       "\": expected application/json or application/x-spate-f32");
  } else if (const auto image = image_type(input.payload); !image.empty()) {
    status = bad_input(fmt::format("got {}: this model takes {}", image, expected_features()));
  } else {
    status = bad_input(
        "no content type, and the payload is no JSON object; expected {\"features\":[…]} with " +
        expected_features());
  }
  if (!status) {
    out.rows = 0;
    out.values.clear();
  }
  return status;
}

Status TableDecoder::decode_json(std::string_view payload, TableRows& out) const {
  thread_local simdjson::dom::parser parser;
  thread_local std::string padded;  // simdjson reads a little past the end
  padded.assign(payload);
  padded.append(simdjson::SIMDJSON_PADDING, ' ');
  simdjson::dom::element document;
  const auto code = parser.parse(padded.data(), payload.size(), false).get(document);
  if (code != simdjson::SUCCESS) return bad_input(malformed(code, payload));
  return Json{*this, out}.request(document);
}

Status TableDecoder::decode_f32(std::string_view payload, TableRows& out) const {
  static_assert(std::endian::native == std::endian::little, "float32 rows are little-endian");
  const std::size_t columns = features_.size();
  const std::size_t row_bytes = columns * sizeof(float);
  if (payload.size() % row_bytes != 0) {
    return bad_input(fmt::format(
        "{} bytes of float32: expected a multiple of {}, that is 4 bytes for each of {}",
        payload.size(), row_bytes, expected_features()));
  }
  out.rows = payload.size() / row_bytes;
  if (out.rows > kMaxRows) {
    return bad_input(fmt::format("more than {} rows in one request", kMaxRows));
  }
  out.many = out.rows > 1;
  out.values.resize(out.rows * columns);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    float value = 0.0F;
    std::memcpy(&value, payload.data() + i * sizeof(float), sizeof value);
    if (!std::isfinite(value)) {
      return bad_input(fmt::format("row {}, {}: the number is not finite", i / columns,
                                   where("", features_[i % columns], i % columns)));
    }
    out.values[i] = static_cast<double>(value);
  }
  return ok();
}

std::string features_payload(const std::vector<double>& row) {
  std::string out = "{\"features\":[";
  for (std::size_t i = 0; i < row.size(); ++i) {
    char digits[32];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, row[i]);
    (void)error;
    if (i > 0) out += ',';
    out.append(digits, end);
  }
  return out + "]}";
}

}  // namespace spate::models
