// SPDX-License-Identifier: Apache-2.0
//
// Loop: an io_context with its RealClock, run until something has happened. For component tests:
// they wait for events, never for time to pass.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "spate/base/real_clock.h"

namespace spate::test {

class Loop {
 public:
  // Runs the loop until `done()`; false when `limit` passed first. The limit only bounds a
  // failing test.
  template <class Done>
  bool run_until(Done&& done, std::chrono::seconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      io.restart();
      io.run_one_for(std::chrono::milliseconds(20));
    }
    return true;
  }

  // Runs what is ready now, and what that makes ready, without waiting.
  void settle() {
    io.restart();
    io.poll();
  }

  boost::asio::io_context io{1};
  RealClock clock{io};
};

}  // namespace spate::test
