// SPDX-License-Identifier: Apache-2.0
#include "spate/worker/compute_pool.h"

#include <utility>

namespace spate::worker {

ComputePool::~ComputePool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    work_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ComputePool::grow_to(int threads) {
  while (static_cast<int>(threads_.size()) < threads) {
    threads_.emplace_back([this] { loop(); });
  }
}

void ComputePool::run(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void ComputePool::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !work_.empty(); });
    if (stopping_) return;
    {
      auto work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
    }  // what the work held is released outside the lock
    lock.lock();
  }
}

}  // namespace spate::worker
