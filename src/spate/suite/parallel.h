// SPDX-License-Identifier: Apache-2.0
//
// for_each_index: work on several threads where the results do not depend on the order.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace spate::suite {

// Calls work(i) for each i below `count`, once, from up to `threads` threads (the caller's is one),
// and returns when all are done. The first exception ends it and is thrown here.
template <class Work>
void for_each_index(std::size_t count, int threads, Work work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failed;
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failed) failed = std::current_exception();
        next = count;
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(run);
    run();
  }
  if (failed) std::rethrow_exception(failed);
}

}  // namespace spate::suite
