// SPDX-License-Identifier: Apache-2.0
//
// Memory: what a strategy remembers, as a row of 64-bit words, so that a snapshot is exact: a
// double keeps its bits. Internal to scaling/.
//
// A Memory type has `void save(MemoryWriter&) const` and `static T load(MemoryReader&)`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace spate::scaling {

using MemoryWords = std::vector<std::int64_t>;
using MemoryByModel = std::map<std::string, MemoryWords, std::less<>>;

class MemoryWriter {
 public:
  void put(std::int64_t value) { words_.push_back(value); }
  void put(double value);
  void put(TimePoint at) { words_.push_back(at.time_since_epoch().count()); }
  MemoryWords take() { return std::move(words_); }

 private:
  MemoryWords words_;
};

// Throws std::invalid_argument where the words run out or are not what is asked for.
class MemoryReader {
 public:
  explicit MemoryReader(const MemoryWords& words) : words_(words) {}
  std::int64_t integer();
  std::int64_t integer(std::int64_t low, std::int64_t high);
  double number();  // finite
  TimePoint time() { return TimePoint(Duration(integer())); }
  void expect_end() const;

 private:
  const MemoryWords& words_;
  std::size_t next_ = 0;
};

// JSON text {"model":[words]} and back.
std::string write_memory(const MemoryByModel& memory);
Result<MemoryByModel> read_memory(std::string_view text);

}  // namespace spate::scaling
