// SPDX-License-Identifier: Apache-2.0
//
// Files that are part of the binary: the pages and the chart library.
#pragma once

#include <string_view>

namespace spate::report {

std::string_view page_template();
std::string_view validation_template();
std::string_view capacity_template();
// What validation's and capacity's scripts begin with.
std::string_view page_script();
// The gateway's live page, whole; it fetches /api/state and /api/decisions and loads /echarts.js.
std::string_view live_page();
// ECharts (Apache-2.0, its licence in its first lines); empty in a build without it.
std::string_view chart_library();

}  // namespace spate::report
