// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/event_heap.h"

#include <gtest/gtest.h>

#include <queue>
#include <vector>

#include "spate/base/rng.h"

namespace spate::sim {
namespace {

TEST(EventHeap, GivesEventsInOrderOfTime) {
  EventHeap heap;
  EXPECT_TRUE(heap.empty());
  EXPECT_EQ(heap.next_at(), EventHeap::kNever);
  for (const std::int64_t at : {5, 1, 4, 1, 3}) heap.push({at, 0, 0});
  std::vector<std::int64_t> order;
  while (!heap.empty()) order.push_back(heap.pop().at);
  EXPECT_EQ(order, (std::vector<std::int64_t>{1, 1, 3, 4, 5}));
}

// Against the standard library's, pushes and pops in any order.
TEST(EventHeap, AgreesWithAPriorityQueue) {
  Rng rng(3);
  EventHeap heap;
  std::priority_queue<std::int64_t, std::vector<std::int64_t>, std::greater<>> model;
  for (int i = 0; i < 200'000; ++i) {
    if (model.empty() || rng.below(100) < (i < 100'000 ? 52U : 48U)) {
      const auto at = static_cast<std::int64_t>(rng.below(1'000'000));
      heap.push({at, 0, 0});
      model.push(at);
    } else {
      ASSERT_EQ(heap.next_at(), model.top());
      ASSERT_EQ(heap.pop().at, model.top());
      model.pop();
    }
    ASSERT_EQ(heap.size(), model.size());
  }
}

}  // namespace
}  // namespace spate::sim
