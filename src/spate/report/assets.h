// SPDX-License-Identifier: Apache-2.0
//
// Files that are part of the binary: the page's template and the chart library.
#pragma once

#include <string_view>

namespace spate::report {

std::string_view page_template();
// ECharts (Apache-2.0, its licence in its first lines); empty in a build without it.
std::string_view chart_library();

}  // namespace spate::report
