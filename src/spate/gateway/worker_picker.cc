// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/worker_picker.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace spate::gateway {

namespace {
constexpr std::uint32_t kArity = 4;
}

WorkerPicker::WorkerPicker(DispatchPolicy policy, std::uint64_t seed)
    : policy_(policy), rng_(seed, "dispatch") {}

void WorkerPicker::put(std::uint32_t worker, double load) {
  if (worker >= places_.size()) places_.resize(worker + 1);
  Place& place = places_[worker];
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(load));
  const Node added{(static_cast<std::uint64_t>(bits) << 32U) | place.used, worker};
  if (place.node == kNil) {
    place.node = size_++;
    if (kShift + size_ > lines_.size() * kArity) lines_.emplace_back();
    if (policy_ == DispatchPolicy::LeastOutstanding) {
      sift_up(place.node, added);
    } else {
      node(place.node) = added;
    }
    if (policy_ == DispatchPolicy::RoundRobin) link_last(worker);
    return;
  }
  if (policy_ == DispatchPolicy::LeastOutstanding) {
    reorder(place.node, added);
  } else {
    node(place.node) = added;
  }
}

void WorkerPicker::remove(std::uint32_t worker) {
  if (worker >= places_.size() || places_[worker].node == kNil) return;
  const std::uint32_t hole = places_[worker].node;
  places_[worker].node = kNil;
  if (policy_ == DispatchPolicy::RoundRobin) unlink(worker);
  const Node last = node(--size_);
  if (hole == size_) return;
  if (policy_ == DispatchPolicy::LeastOutstanding) {
    reorder(hole, last);
  } else {
    set(hole, last);
  }
}

std::uint32_t WorkerPicker::pick() {
  SPATE_CHECK(size_ > 0, "no worker to pick");
  std::uint32_t worker = node(0).worker;
  if (policy_ == DispatchPolicy::RoundRobin) {
    worker = ring_;
    ring_ = places_[worker].after;
  } else if (policy_ == DispatchPolicy::PowerOfTwo && size_ > 1) {
    const std::uint64_t first = rng_.below(size_);
    std::uint64_t second = rng_.below(size_ - 1);
    if (second >= first) ++second;
    const Node& a = node(static_cast<std::uint32_t>(first));
    const Node& b = node(static_cast<std::uint32_t>(second));
    worker = load_of(b) < load_of(a) ? b.worker : a.worker;
  }
  if (picks_ == std::numeric_limits<std::uint32_t>::max()) renumber();
  places_[worker].used = ++picks_;
  return worker;
}

// The count of picks is full, once in four billion: the workers keep their order with small
// numbers. Keys keep theirs, so the heap stays one.
void WorkerPicker::renumber() {
  std::vector<std::uint32_t> used;
  for (const Place& place : places_) used.push_back(place.used);
  // A node's key may hold an earlier number than its place: it was picked and not put again.
  for (std::uint32_t i = 0; i < size_; ++i) used.push_back(static_cast<std::uint32_t>(node(i).key));
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  const auto rank = [&](std::uint32_t number) {
    return static_cast<std::uint32_t>(std::lower_bound(used.begin(), used.end(), number) -
                                      used.begin());
  };
  for (Place& place : places_) place.used = rank(place.used);
  for (std::uint32_t i = 0; i < size_; ++i) {
    node(i).key = (load_of(node(i)) << 32U) | rank(static_cast<std::uint32_t>(node(i).key));
  }
  picks_ = static_cast<std::uint32_t>(used.size());
}

void WorkerPicker::reorder(std::uint32_t index, Node moved) {
  if (index > 0 && moved.key < node((index - 1) / kArity).key) {
    sift_up(index, moved);
  } else {
    sift_down(index, moved);
  }
}

void WorkerPicker::sift_up(std::uint32_t index, Node moved) {
  while (index > 0) {
    const std::uint32_t parent = (index - 1) / kArity;
    if (node(parent).key <= moved.key) break;
    set(index, node(parent));
    index = parent;
  }
  set(index, moved);
}

void WorkerPicker::sift_down(std::uint32_t index, Node moved) {
  while (true) {
    const std::uint32_t first = index * kArity + 1;
    if (first >= size_) break;
    const Node* child = lines_[(first + kShift) >> 2U].nodes;
    std::uint32_t best = 0;
    if (first + kArity <= size_) {
      const std::uint32_t low = child[1].key < child[0].key ? 1 : 0;
      const std::uint32_t high = child[3].key < child[2].key ? 3 : 2;
      best = child[high].key < child[low].key ? high : low;
    } else {
      for (std::uint32_t c = 1; first + c < size_; ++c) {
        if (child[c].key < child[best].key) best = c;
      }
    }
    if (child[best].key >= moved.key) break;
    set(index, child[best]);
    index = first + best;
  }
  set(index, moved);
}

void WorkerPicker::link_last(std::uint32_t worker) {
  Place& place = places_[worker];
  if (ring_ == kNil) {
    ring_ = place.before = place.after = worker;
    return;
  }
  place.after = ring_;
  place.before = places_[ring_].before;
  places_[place.before].after = worker;
  places_[ring_].before = worker;
}

void WorkerPicker::unlink(std::uint32_t worker) {
  Place& place = places_[worker];
  places_[place.before].after = place.after;
  places_[place.after].before = place.before;
  if (ring_ == worker) ring_ = place.after == worker ? kNil : place.after;
  place.before = place.after = kNil;
}

}  // namespace spate::gateway
