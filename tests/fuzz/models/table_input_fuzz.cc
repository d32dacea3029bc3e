// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a request to a table model: the first byte picks the content type. What is
// accepted holds whole rows of finite numbers; what is refused has a reason and leaves nothing.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "spate/models/table_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const spate::models::TableDecoder decoder({"a", "b", "long name"});
  static constexpr std::string_view kTypes[] = {"application/json", "application/x-spate-f32", "",
                                                "Application/JSON; charset=utf-8"};
  if (size == 0) return 0;
  const std::string_view payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  spate::models::TableRows rows;
  const auto status = decoder.decode({kTypes[data[0] % 4], payload}, rows);
  if (!status) {
    if (status.error().message.empty() || !rows.values.empty() || rows.rows != 0) std::abort();
    return 0;
  }
  if (rows.rows == 0 || rows.values.size() != rows.rows * 3) std::abort();
  for (const double value : rows.values) {
    if (!std::isfinite(value)) std::abort();
  }
  return 0;
}
