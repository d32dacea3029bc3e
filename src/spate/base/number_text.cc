// SPDX-License-Identifier: Apache-2.0
#include "spate/base/number_text.h"

#include <fmt/format.h>

namespace spate {

std::string fixed_text(double value, int decimals) {
  std::string out = fmt::format("{:.{}f}", value, decimals);
  if (out.find_first_not_of("-0.") == std::string::npos && out.front() == '-') out.erase(0, 1);
  return out;
}

std::string signed_text(double value, int decimals) {
  const std::string out = fixed_text(value, decimals);
  const bool zero = out.find_first_not_of("0.") == std::string::npos;
  return value > 0.0 && !zero ? "+" + out : out;
}

}  // namespace spate
