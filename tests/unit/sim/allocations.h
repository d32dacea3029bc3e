// SPDX-License-Identifier: Apache-2.0
//
// Counts what this test program allocates.
#pragma once

#include <cstdint>

namespace spate::sim {

std::uint64_t allocations();  // so far
std::uint64_t live_bytes();   // allocated and not freed, by the allocator's own sizes
std::uint64_t peak_bytes();   // the most of them since start_peak()
void start_peak();

}  // namespace spate::sim
