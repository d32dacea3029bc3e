// SPDX-License-Identifier: Apache-2.0
//
// Base64 (RFC 4648 section 4, with padding).
#pragma once

#include <string>
#include <string_view>

#include "spate/base/result.h"

namespace spate {

std::string base64_encode(std::string_view bytes);
// InvalidArgument on any character outside the alphabet, wrong padding or wrong length.
Result<std::string> base64_decode(std::string_view text);

}  // namespace spate
