// SPDX-License-Identifier: Apache-2.0
#include "unit/sim/allocations.h"

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace spate::sim {
namespace {

// One thread allocates in these tests.
std::uint64_t g_allocations = 0;
std::uint64_t g_live = 0;
std::uint64_t g_peak = 0;

void* counted(std::size_t size, std::size_t alignment) {
  ++g_allocations;
  if (size == 0) size = 1;
  void* memory =
      alignment <= alignof(std::max_align_t)
          ? std::malloc(size)
          : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) return nullptr;
  g_live += malloc_usable_size(memory);
  g_peak = std::max(g_peak, g_live);
  return memory;
}

void* counted_or_throw(std::size_t size, std::size_t alignment) {
  if (void* memory = counted(size, alignment)) return memory;
  throw std::bad_alloc();
}

void freed(void* memory) {
  if (memory == nullptr) return;
  g_live -= std::min<std::uint64_t>(g_live, malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

std::uint64_t allocations() { return g_allocations; }
std::uint64_t live_bytes() { return g_live; }
std::uint64_t peak_bytes() { return g_peak; }
void start_peak() { g_peak = g_live; }

}  // namespace spate::sim

// GCC takes free() in a replaced operator delete for a mismatch once it has inlined it.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
// The sanitizers' own operator new is not replaced but called.
void* operator new(std::size_t size) { return spate::sim::counted_or_throw(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return spate::sim::counted_or_throw(size, static_cast<std::size_t>(alignment));
}
// What std::stable_sort asks for its buffer.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return spate::sim::counted(size, 1);
}
void operator delete(void* memory) noexcept { spate::sim::freed(memory); }
void operator delete(void* memory, std::size_t) noexcept { spate::sim::freed(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { spate::sim::freed(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  spate::sim::freed(memory);
}
