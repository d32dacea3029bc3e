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

  std::size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    double load = 0.0;
    std::uint64_t used = 0;  // when it was picked last, as a count of picks
    std::uint32_t worker = 0;
  };
  struct Place {
    std::uint32_t node = kNil;  // index into nodes_
    std::uint64_t used = 0;
    std::uint32_t before = kNil;  // ring of round_robin
    std::uint32_t after = kNil;
  };

  static bool less(const Node& a, const Node& b) {
    return a.load < b.load || (a.load == b.load && a.used < b.used);
  }
  void sift_up(std::uint32_t index, Node node);
  void sift_down(std::uint32_t index, Node node);
  void reorder(std::uint32_t index, Node node);
  void set(std::uint32_t index, const Node& node) {
    nodes_[index] = node;
    places_[node.worker].node = index;
  }
  void link_last(std::uint32_t worker);
  void unlink(std::uint32_t worker);

  DispatchPolicy policy_;
  Rng rng_;
  std::uint64_t picks_ = 0;
  std::vector<Node> nodes_;    // a heap under least_outstanding, else in no order
  std::vector<Place> places_;  // by worker
  std::uint32_t ring_ = kNil;  // the next in turn
};

}  // namespace spate::gateway
