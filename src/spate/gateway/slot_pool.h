// SPDX-License-Identifier: Apache-2.0
//
// SlotPool: records in a vector, named by 32-bit slot and generation. A slot is reused after its
// record was released; its generation then differs, so that an old name finds nothing. No
// allocation once the vector has grown to the largest number of records alive at once.
//
// `T` has members `std::uint32_t generation` and `std::uint32_t next`; the pool keeps its free
// list in `next`, which is the owner's while the record is alive.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "spate/base/check.h"

namespace spate::gateway {

inline constexpr std::uint32_t kNil = 0xffffffffU;

// A name: generation in the high half, slot in the low.
constexpr std::uint64_t make_name(std::uint32_t slot, std::uint32_t generation) {
  return (static_cast<std::uint64_t>(generation) << 32U) | slot;
}
constexpr std::uint32_t slot_of(std::uint64_t name) { return static_cast<std::uint32_t>(name); }
constexpr std::uint32_t generation_of(std::uint64_t name) {
  return static_cast<std::uint32_t>(name >> 32U);
}

template <class T>
class SlotPool {
 public:
  // A record with its old content but a new generation; references to records are void after it.
  std::uint32_t acquire() {
    std::uint32_t slot = free_;
    if (slot != kNil) {
      free_ = items_[slot].next;
    } else {
      slot = static_cast<std::uint32_t>(items_.size());
      SPATE_CHECK(slot != kNil, "too many records at once");
      items_.emplace_back();
      items_.back().generation = 0;
    }
    ++alive_;
    ++items_[slot].generation;  // odd while alive
    return slot;
  }

  // Requires an acquired slot.
  void release(std::uint32_t slot) {
    T& item = items_[slot];
    ++item.generation;
    item.next = free_;
    free_ = slot;
    --alive_;
  }

  T& operator[](std::uint32_t slot) { return items_[slot]; }
  const T& operator[](std::uint32_t slot) const { return items_[slot]; }

  std::uint64_t name(std::uint32_t slot) const { return make_name(slot, items_[slot].generation); }

  // The slot that `name` stands for while its record is alive, else kNil.
  std::uint32_t find(std::uint64_t name) const {
    const std::uint32_t slot = slot_of(name);
    if (slot >= items_.size() || items_[slot].generation != generation_of(name)) return kNil;
    return (generation_of(name) & 1U) != 0 ? slot : kNil;
  }

  bool alive(std::uint32_t slot) const {
    return slot < items_.size() && (items_[slot].generation & 1U) != 0;
  }
  std::uint32_t size() const { return alive_; }
  // Slots in use or free: every slot is below it.
  std::uint32_t end_slot() const { return static_cast<std::uint32_t>(items_.size()); }

 private:
  std::vector<T> items_;
  std::uint32_t free_ = kNil;
  std::uint32_t alive_ = 0;
};

}  // namespace spate::gateway
