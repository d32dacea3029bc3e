// SPDX-License-Identifier: Apache-2.0
//
// EventHeap: what happens next in the simulated world. A 4-ary heap of 16-byte events whose four
// children share a cache line. Equal times leave in an order that depends on nothing but the
// calls made before, so equal runs stay equal.
//
// A hole that pop() leaves at the top is filled by the next push() if one comes before the next
// look: an answer that lets the next batch start costs one walk down the heap, not two.
//
// Threads: one at a time. No allocation once it has grown to the most events at once.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace spate::sim {

struct Event {
  std::int64_t at = 0;      // nanoseconds of simulated time
  std::uint32_t kind = 0;   // the owner's
  std::uint32_t index = 0;  // the owner's
};

class EventHeap {
 public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  // kNever when empty.
  std::int64_t next_at() {
    settle();
    return size_ == 0 ? kNever : at(0).at;
  }
  // Require that it is not empty.
  const Event& top() {
    settle();
    return at(0);
  }
  Event pop() {
    settle();
    hole_ = true;
    return at(0);
  }
  void push(const Event& event) {
    if (hole_) {
      hole_ = false;
      sift_down(event);
      return;
    }
    if (kShift + size_ >= lines_.size() * 4) lines_.emplace_back();
    sift_up(size_++, event);
  }
  bool empty() {
    settle();
    return size_ == 0;
  }
  std::size_t size() const { return hole_ ? size_ - 1 : size_; }

 private:
  // The root lies at the end of the first line, so that children 4i + 1 ... 4i + 4 fill one.
  static constexpr std::size_t kShift = 3;
  struct alignas(64) Line {
    Event events[4];
  };

  Event& at(std::size_t i) { return lines_[(i + kShift) >> 2U].events[(i + kShift) & 3U]; }

  void settle() {
    if (!hole_) return;
    hole_ = false;
    const Event last = at(--size_);
    if (size_ > 0) sift_down(last);
  }
  void sift_up(std::size_t i, const Event& event) {
    while (i > 0) {
      const std::size_t parent = (i - 1) / 4;
      if (at(parent).at <= event.at) break;
      at(i) = at(parent);
      i = parent;
    }
    at(i) = event;
  }
  // `event` goes in at the root.
  void sift_down(const Event& event) {
    std::size_t i = 0;
    for (;;) {
      const std::size_t first = 4 * i + 1;
      if (first >= size_) break;
      const Event* child = lines_[(first + kShift) >> 2U].events;
      std::size_t best = 0;
      if (first + 4 <= size_) {
        const std::size_t low = child[1].at < child[0].at ? 1 : 0;
        const std::size_t high = child[3].at < child[2].at ? 3 : 2;
        best = child[high].at < child[low].at ? high : low;
      } else {
        for (std::size_t c = 1; first + c < size_; ++c) {
          if (child[c].at < child[best].at) best = c;
        }
      }
      if (child[best].at >= event.at) break;
      at(i) = child[best];
      i = first + best;
    }
    at(i) = event;
  }

  std::vector<Line> lines_ = std::vector<Line>(1);
  std::size_t size_ = 0;  // the hole included
  bool hole_ = false;
};

}  // namespace spate::sim
