// SPDX-License-Identifier: Apache-2.0
//
// SPATE_CHECK(condition, message): our own bugs. On in every build; prints the place,
// the condition and the message, then aborts. Never for bad input or the outside world.
#pragma once

#include <string_view>

namespace spate {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view message);

}  // namespace spate

#define SPATE_CHECK(condition, message)                                 \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::spate::check_failed(__FILE__, __LINE__, #condition, (message)); \
  } while (false)
