// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cmath>

#include "spate/models/model.h"

namespace spate::models {
namespace {

template <class Number>
void append_number(std::string& out, Number value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char digits[32];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  (void)error;  // 32 characters hold any shortest double
  out.append(digits, end);
}

// Probabilities come from float32 runtimes: as float, 0.9 is written "0.9".
void append_probability(std::string& out, double value) {
  append_number(out, static_cast<float>(value));
}

// Labels come from users' folders and tables: escaped as RFC 8259 asks; bytes that are not
// ASCII pass as they are (manifests hold UTF-8).
void append_text(std::string& out, const std::string& text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_row(std::string& out, const RowPrediction& row) {
  if (row.value) {
    out += "\"prediction\":";
    append_number(out, *row.value);
    return;
  }
  if (row.top.empty()) {
    out += "\"prediction\":null";
    return;
  }
  out += "\"class\":";
  append_text(out, row.top.front().label);
  out += ",\"confidence\":";
  append_probability(out, row.top.front().probability);
  out += ",\"top\":[";
  for (std::size_t i = 0; i < row.top.size(); ++i) {
    out += i == 0 ? "{\"class\":" : ",{\"class\":";
    append_text(out, row.top[i].label);
    out += ",\"probability\":";
    append_probability(out, row.top[i].probability);
    out += '}';
  }
  out += ']';
}

}  // namespace

std::string to_json_fragment(const Prediction& prediction) {
  std::string out;
  if (!prediction.many && prediction.rows.size() == 1) {
    append_row(out, prediction.rows.front());
    return out;
  }
  out.reserve(24 + 32 * prediction.rows.size());
  out += "\"predictions\":[";
  for (std::size_t i = 0; i < prediction.rows.size(); ++i) {
    out += i == 0 ? "{" : ",{";
    append_row(out, prediction.rows[i]);
    out += '}';
  }
  out += ']';
  return out;
}

}  // namespace spate::models
