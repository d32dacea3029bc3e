// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace spate {

// Well-formed UTF-8: no surrogates, nothing over-long, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace spate
