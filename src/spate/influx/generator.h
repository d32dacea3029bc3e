// SPDX-License-Identifier: Apache-2.0
//
// Generator: publishes a schedule's requests over MQTT at their planned times and hands what
// comes back to the Verifier.
//
// Open loop: it never waits for an answer, nor for the broker. A request whose time has come goes
// to the MQTT client's bounded outbox at once; if that is full the request is counted as shed. A
// generator that was held up sends what is overdue at once and records how late each one was; it
// never moves the plan.
//
// Two MQTT sessions: one publishes, one receives on a private result topic, so that uploads and
// answers do not queue behind each other in one socket.
//
// Pacing: a timer until `poll_window` before the next planned time, then the loop is polled
// (sockets included) until that time.
//
// Threads: all of it on the thread that runs the io_context, which should do nothing else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"
#include "spate/influx/schedule.h"
#include "spate/influx/verifier.h"
#include "spate/mqtt/messages.h"

namespace spate::influx {

struct GeneratorOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 1883;
  std::string username{};  // "" = none
  std::string password{};
  mqtt::Qos qos = mqtt::Qos::AtLeastOnce;
  // How long to wait for answers after the measured window; it ends earlier once every request
  // has its answer and nothing more came for `linger`.
  Duration settle = std::chrono::seconds(10);
  Duration linger = std::chrono::milliseconds(200);
  Duration connect_timeout = std::chrono::seconds(10);
  // Before the next planned time the loop is polled for this long. Larger: sharper times on an
  // idle machine, and more CPU taken from the system under test. 0: timers only.
  Duration poll_window = std::chrono::microseconds(50);
  std::size_t max_outbox_messages = 200'000;
  std::size_t max_outbox_bytes = 256U << 20;
};

struct RequestBody {
  std::string content_type;
  std::string payload;
};

struct LoadModel {
  std::string topic;                 // spate/v1/infer/<model>
  Duration deadline{0};              // user property deadline_ms; 0 = none
  std::vector<RequestBody> samples;  // by sample index, as many as the schedule says
};

// What happened to the generator itself.
struct GeneratorReport {
  double start_unix_s = 0.0;  // of the measured window
  double elapsed_s = 0.0;     // from the start of the warm-up to the end of settling
  bool stopped_early = false;
  double stopped_at_s = 0.0;  // from the window's start
  std::uint64_t disconnects = 0;
  std::uint64_t resent = 0;          // QoS 1 messages sent again after a reconnect
  std::uint64_t no_subscribers = 0;  // publishes that the broker had nobody for
  std::string last_disconnect;       // the reason, or ""
};

class Generator {
 public:
  // Borrows everything, which must outlive it. Requires one LoadModel per model of the schedule.
  Generator(boost::asio::io_context& loop, Clock& clock, GeneratorOptions options,
            const Schedule& schedule, std::vector<LoadModel> models, Verifier& verifier);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // Connects, subscribes, runs the schedule, settles, tells the verifier to finish and then calls
  // `done` once: ok, or Unavailable when no session could be made in time (nothing was sent then).
  void start(std::function<void(Status)> done);

  // Sends no more and goes on to settle, for at most `settle` from now. A second call ends at
  // once.
  void stop(Duration settle = std::chrono::seconds(2));

  // From the start of the measured window; negative while warming up, and before the start.
  Duration time() const;
  bool running() const;
  GeneratorReport report() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace spate::influx
