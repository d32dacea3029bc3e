// SPDX-License-Identifier: Apache-2.0
#include "spate/gateway/worker_picker.h"

namespace spate::gateway {

namespace {
constexpr std::uint32_t kArity = 4;
}

WorkerPicker::WorkerPicker(DispatchPolicy policy, std::uint64_t seed)
    : policy_(policy), rng_(seed, "dispatch") {}

void WorkerPicker::put(std::uint32_t worker, double load) {
  if (worker >= places_.size()) places_.resize(worker + 1);
  Place& place = places_[worker];
  const Node node{load, place.used, worker};
  if (place.node == kNil) {
    place.node = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back(node);
    if (policy_ == DispatchPolicy::RoundRobin) link_last(worker);
    if (policy_ == DispatchPolicy::LeastOutstanding) sift_up(place.node, node);
    return;
  }
  if (policy_ == DispatchPolicy::LeastOutstanding) {
    reorder(place.node, node);
  } else {
    nodes_[place.node] = node;
  }
}

void WorkerPicker::remove(std::uint32_t worker) {
  if (worker >= places_.size() || places_[worker].node == kNil) return;
  const std::uint32_t hole = places_[worker].node;
  places_[worker].node = kNil;
  if (policy_ == DispatchPolicy::RoundRobin) unlink(worker);
  const Node last = nodes_.back();
  nodes_.pop_back();
  if (hole == nodes_.size()) return;
  if (policy_ == DispatchPolicy::LeastOutstanding) {
    reorder(hole, last);
  } else {
    set(hole, last);
  }
}

std::uint32_t WorkerPicker::pick() {
  SPATE_CHECK(!nodes_.empty(), "no worker to pick");
  std::uint32_t worker = nodes_.front().worker;
  if (policy_ == DispatchPolicy::RoundRobin) {
    worker = ring_;
    ring_ = places_[worker].after;
  } else if (policy_ == DispatchPolicy::PowerOfTwo && nodes_.size() > 1) {
    const std::uint64_t count = nodes_.size();
    const std::uint64_t first = rng_.below(count);
    std::uint64_t second = rng_.below(count - 1);
    if (second >= first) ++second;
    const Node& a = nodes_[first];
    const Node& b = nodes_[second];
    worker = b.load < a.load ? b.worker : a.worker;
  }
  places_[worker].used = ++picks_;
  return worker;
}

void WorkerPicker::reorder(std::uint32_t index, Node node) {
  if (index > 0 && less(node, nodes_[(index - 1) / kArity])) {
    sift_up(index, node);
  } else {
    sift_down(index, node);
  }
}

void WorkerPicker::sift_up(std::uint32_t index, Node node) {
  while (index > 0) {
    const std::uint32_t parent = (index - 1) / kArity;
    if (!less(node, nodes_[parent])) break;
    set(index, nodes_[parent]);
    index = parent;
  }
  set(index, node);
}

void WorkerPicker::sift_down(std::uint32_t index, Node node) {
  const auto count = static_cast<std::uint32_t>(nodes_.size());
  while (true) {
    const std::uint32_t first = index * kArity + 1;
    if (first >= count) break;
    std::uint32_t best = first;
    const std::uint32_t end = first + kArity < count ? first + kArity : count;
    for (std::uint32_t child = first + 1; child < end; ++child) {
      if (less(nodes_[child], nodes_[best])) best = child;
    }
    if (!less(nodes_[best], node)) break;
    set(index, nodes_[best]);
    index = best;
  }
  set(index, node);
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
