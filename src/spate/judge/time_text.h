// SPDX-License-Identifier: Apache-2.0
//
// Times as traces write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spate::judge {

// Seconds since 1970 of "2014-07-01 00:30:00", "2023-11-16T18:17:03.9799600Z",
// "1998-06-30 21:45", "2016-01-01" or "… +02:00". Without a zone the time is taken as UTC. Also a
// plain number: Unix seconds. Nothing for anything else (a 13th month, a 30 February).
std::optional<double> parse_time(std::string_view text);

// "2014-07-01 00:30:00 UTC". Requires |unix_s| below 1e11.
std::string time_text(double unix_s);

}  // namespace spate::judge
