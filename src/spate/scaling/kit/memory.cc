// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/kit/memory.h"

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace spate::scaling {

void MemoryWriter::put(double value) { words_.push_back(std::bit_cast<std::int64_t>(value)); }

std::int64_t MemoryReader::integer() {
  if (next_ >= words_.size()) throw std::invalid_argument("it ends too early");
  return words_[next_++];
}

std::int64_t MemoryReader::integer(std::int64_t low, std::int64_t high) {
  const std::int64_t value = integer();
  if (value < low || value > high) throw std::invalid_argument("a value is out of range");
  return value;
}

double MemoryReader::number() {
  const double value = std::bit_cast<double>(integer());
  if (!std::isfinite(value)) throw std::invalid_argument("a value is not finite");
  return value;
}

void MemoryReader::expect_end() const {
  if (next_ != words_.size()) throw std::invalid_argument("it has more than was expected");
}

std::string write_memory(const MemoryByModel& memory) { return nlohmann::json(memory).dump(); }

Result<MemoryByModel> read_memory(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto bad = [] { return Error{ErrorCode::InvalidArgument, "expected {model: [integers]}"}; };
  if (!json.is_object()) return bad();
  MemoryByModel out;
  for (const auto& [model, words] : json.items()) {
    if (!words.is_array()) return bad();
    for (const auto& word : words) {
      if (!word.is_number_integer()) return bad();
    }
    out.emplace(model, words.get<MemoryWords>());
  }
  return out;
}

}  // namespace spate::scaling
