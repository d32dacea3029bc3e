// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>

#include "spate/base/real_clock.h"
#include "spate/base/virtual_clock.h"

namespace spate {
namespace {

using std::chrono::milliseconds;

// The contract of Clock, on each implementation. `drain` runs what is due.
void expect_clock_contract(Clock& clock, const std::function<void()>& drain) {
  std::string order;
  const TimePoint soon = clock.now() + milliseconds(2);
  clock.call_at(soon + milliseconds(1), [&] { order += 'c'; });
  clock.call_at(soon, [&] { order += 'a'; });
  clock.call_at(soon, [&] { order += 'b'; });
  const TimerId doomed = clock.call_at(soon, [&] { order += 'x'; });
  EXPECT_TRUE(clock.cancel(doomed));
  EXPECT_FALSE(clock.cancel(doomed));
  bool inside = true;
  TimerId posted{};
  posted = clock.post([&] {
    EXPECT_FALSE(inside) << "a task ran inside the call that scheduled it";
    EXPECT_FALSE(clock.cancel(posted)) << "a running task cannot be cancelled";
    order += 'p';
  });
  inside = false;
  drain();
  EXPECT_EQ(order, "pabc");
}

TEST(VirtualClock, KeepsTheContract) {
  VirtualClock clock;
  expect_clock_contract(clock, [&] { clock.run_for(milliseconds(10)); });
}

TEST(RealClock, KeepsTheContract) {
  boost::asio::io_context loop;
  RealClock clock(loop);
  expect_clock_contract(clock, [&] { loop.run(); });
}

TEST(VirtualClock, MovesOnlyWhenTold) {
  VirtualClock clock;
  const TimePoint start = clock.now();
  TimePoint seen{};
  clock.call_after(milliseconds(5), [&] { seen = clock.now(); });
  EXPECT_EQ(clock.run_for(milliseconds(4)), 0U);
  EXPECT_EQ(clock.run_for(milliseconds(4)), 1U);
  EXPECT_EQ(seen, start + milliseconds(5));
  EXPECT_EQ(clock.now(), start + milliseconds(8));
}

TEST(RealClock, WithoutTasksTheLoopCanEnd) {
  boost::asio::io_context loop;
  RealClock clock(loop);
  const TimerId far = clock.call_after(std::chrono::hours(1), [] { FAIL() << "ran"; });
  clock.post([&] { EXPECT_TRUE(clock.cancel(far)); });
  loop.run();  // returns, or the test times out
  {
    RealClock passing(loop);
    passing.call_after(std::chrono::hours(1), [] { FAIL() << "ran"; });
    loop.restart();
    loop.poll();
  }
  loop.run();
}

TEST(RealClock, ADroppedTaskMayCallBack) {
  boost::asio::io_context loop;
  RealClock clock(loop);
  const TimerId other = clock.call_after(std::chrono::hours(1), [] {});
  struct Canceller {
    RealClock& clock;
    TimerId id;
    ~Canceller() { clock.cancel(id); }
  };
  auto held = std::shared_ptr<Canceller>(new Canceller{clock, other});
  const TimerId id = clock.call_after(std::chrono::hours(1), [held] {});
  held.reset();
  EXPECT_TRUE(clock.cancel(id));
  EXPECT_FALSE(clock.cancel(other)) << "the destructor had cancelled it";
}

TEST(RealClock, TakesTasksFromOtherThreads) {
  boost::asio::io_context loop;
  const auto work = boost::asio::make_work_guard(loop);
  RealClock clock(loop);
  int ran = 0;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) clock.post([&] { ++ran; });
    clock.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace spate
