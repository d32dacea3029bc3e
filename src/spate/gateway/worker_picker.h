// SPDX-License-Identifier: Apache-2.0
//
// WorkerPicker: which of the workers that can take a batch gets the next one. Route uses it.
//
// - least_outstanding: the smallest (requests in flight + 1) / CPU limit; among equals the one
//   used longest ago. An indexed 4-ary heap: O(log n) per change.
// - power_of_two: of two drawn at random, the one with the smaller such load. O(1).
// - round_robin: each in turn, whatever its load. O(1).
//
// Workers are the Route's slot numbers. Threads: one at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "spate/base/rng.h"
#include "spate/gateway/config.h"
#include "spate/gateway/slot_pool.h"

namespace spate::gateway {

class WorkerPicker {
 public:
  WorkerPicker(DispatchPolicy policy, std::uint64_t seed);

  // Adds `worker`, or gives it a new load.
  void put(std::uint32_t worker, double load);
  void remove(std::uint32_t worker);  // no effect when it is not there
  // Requires size() > 0. The worker stays in; put() or remove() it after use.
  std::uint32_t pick();

  std::size_t size() const { return size_; }

 private:
  // 16 bytes, so that the four children of a node share a cache line. The key orders nodes: the
  // load (as the bits of a float above zero, which sort like it) above the number of the pick
  // in which the worker was used last.
  struct Node {
    std::uint64_t key = 0;
    std::uint32_t worker = 0;
  };
  struct alignas(64) Line {
    Node nodes[4];
  };
  struct Place {
    std::uint32_t node = kNil;    // its place in the heap
    std::uint32_t used = 0;       // when it was picked last, as a count of picks
    std::uint32_t before = kNil;  // ring of round_robin
    std::uint32_t after = kNil;
  };
  // The root lies at the end of the first line, so that children 4i + 1 ... 4i + 4 fill one.
  static constexpr std::uint32_t kShift = 3;

  Node& node(std::uint32_t i) { return lines_[(i + kShift) >> 2U].nodes[(i + kShift) & 3U]; }
  static std::uint64_t load_of(const Node& node) { return node.key >> 32U; }
  void sift_up(std::uint32_t index, Node node);
  void sift_down(std::uint32_t index, Node node);
  void reorder(std::uint32_t index, Node node);
  void set(std::uint32_t index, const Node& node_there) {
    node(index) = node_there;
    places_[node_there.worker].node = index;
  }
  void renumber();
  void link_last(std::uint32_t worker);
  void unlink(std::uint32_t worker);

  DispatchPolicy policy_;
  Rng rng_;
  std::uint32_t picks_ = 0;
  std::uint32_t size_ = 0;
  // A heap under least_outstanding, else in no order.
  std::vector<Line> lines_ = std::vector<Line>(1);
  std::vector<Place> places_;  // by worker
  std::uint32_t ring_ = kNil;  // the next in turn
};

}  // namespace spate::gateway
