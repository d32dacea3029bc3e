// SPDX-License-Identifier: Apache-2.0
//
// LiveLoop: the event loop of a live experiment, run from one wait to the next. `spate run` and
// `compare` are a sequence of steps (start this, wait until that), so they read as one.
//
// Ctrl-C and SIGTERM are seen by the loop: a wait that may be interrupted returns then, and the
// steps that follow clean up. A second Ctrl-C changes nothing: ending takes a bounded time.
//
// Threads: one, the program's first (see adapters/child_process.h).
#pragma once

#include <functional>
#include <memory>

#include "spate/base/clock.h"

namespace boost::asio {
class io_context;
}

namespace spate::lab {

enum class Waited { Done, TimedOut, Interrupted };

class LiveLoop {
 public:
  LiveLoop();
  ~LiveLoop();
  LiveLoop(const LiveLoop&) = delete;
  LiveLoop& operator=(const LiveLoop&) = delete;

  boost::asio::io_context& io();
  Clock& clock();

  // Runs the loop until `done` holds (it is asked after every event and every 20 ms), `limit` has
  // passed, or, unless `to_the_end`, an interrupt came.
  Waited run_until(const std::function<bool()>& done, Duration limit, bool to_the_end = false);

  bool interrupted() const;
  // As if Ctrl-C had been pressed.
  void interrupt();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spate::lab
