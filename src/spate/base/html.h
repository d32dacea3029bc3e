// SPDX-License-Identifier: Apache-2.0
//
// Text for HTML pages. Used by the pages that report and suite write.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace spate {

// `text` with & < > " as entities: safe as content of an element and in a quoted attribute.
std::string html_escaped(std::string_view text);

}  // namespace spate
