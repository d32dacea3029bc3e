// SPDX-License-Identifier: Apache-2.0
#include "spate/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace spate {

void check_failed(const char* file, int line, const char* condition, std::string_view message) {
  std::fprintf(stderr, "%s:%d: bug in spate: %s does not hold: %.*s\n", file, line, condition,
               static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace spate
