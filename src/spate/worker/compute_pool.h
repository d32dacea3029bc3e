// SPDX-License-Identifier: Apache-2.0
//
// ComputePool: the threads on which a worker computes; what is blocking runs here, never on the
// loop. Work is done in the order it was handed in.
//
// Threads: run() and resize() from one thread; the work runs on the pool's.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace spate::worker {

class ComputePool {
 public:
  ComputePool() = default;
  // Waits for the work under way; what has not begun is dropped.
  ~ComputePool();
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  // At least so many threads; they stay when fewer are needed, asleep.
  void grow_to(int threads);
  // `work` must not throw.
  void run(std::function<void()> work);

 private:
  void loop();

  std::mutex mutex_;
  // State below is protected by mutex_.
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool stopping_ = false;

  std::vector<std::thread> threads_;  // of the owner's thread
};

}  // namespace spate::worker
