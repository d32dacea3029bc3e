// SPDX-License-Identifier: Apache-2.0
//
// Numbers for tables: a value that rounds to zero has no sign, so that "-0.0 %" is not read as a
// small loss.
//
// Threads: pure functions.
#pragma once

#include <string>

namespace spate {

// "1.5", "-0.3", "0.0".
std::string fixed_text(double value, int decimals);

// With its sign either way: "+1.5", "-0.3", "0.0".
std::string signed_text(double value, int decimals);

}  // namespace spate
