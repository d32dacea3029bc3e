// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/live_loop.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "spate/base/real_clock.h"

namespace spate::lab {
namespace {

constexpr Duration kAskEvery = std::chrono::milliseconds(20);

}  // namespace

struct LiveLoop::State {
  boost::asio::io_context io{1};
  RealClock clock{io};
  boost::asio::signal_set signals{io, SIGINT, SIGTERM};
  bool interrupted = false;

  void watch() {
    signals.async_wait([this](const boost::system::error_code& failed, int) {
      if (failed) return;
      interrupted = true;
      watch();
    });
  }
};

LiveLoop::LiveLoop() : state_(std::make_unique<State>()) { state_->watch(); }
LiveLoop::~LiveLoop() = default;

boost::asio::io_context& LiveLoop::io() { return state_->io; }
Clock& LiveLoop::clock() { return state_->clock; }
bool LiveLoop::interrupted() const { return state_->interrupted; }
void LiveLoop::interrupt() { state_->interrupted = true; }

Waited LiveLoop::run_until(const std::function<bool()>& done, Duration limit, bool to_the_end) {
  const TimePoint end = state_->clock.now() + limit;
  // Wakes the loop for predicates that look at files; it holds nothing of this call but `next`.
  std::function<void()> tick;
  TimerId next = state_->clock.post([] {});
  tick = [&] { next = state_->clock.call_after(kAskEvery, tick); };
  tick();
  Waited outcome = Waited::TimedOut;
  state_->io.restart();
  for (;;) {
    if (done()) {
      outcome = Waited::Done;
      break;
    }
    if (!to_the_end && state_->interrupted) {
      outcome = Waited::Interrupted;
      break;
    }
    if (state_->clock.now() >= end) break;
    state_->io.run_one();
  }
  state_->clock.cancel(next);
  return outcome;
}

}  // namespace spate::lab
