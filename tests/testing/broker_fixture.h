// SPDX-License-Identifier: Apache-2.0
//
// BrokerFixture: a real mosquitto on a free loopback port, for component and end-to-end tests.
//
//   test::BrokerFixture broker;                        // runs from here on
//   ClientOptions options{.port = broker.port(), ...};
//   broker.restart(SIGKILL);                           // same port, same data folder
//
// - A missing mosquitto, or one that does not accept within 10 s, throws: the test fails.
// - The broker is set up as Spate's own is: anonymous clients (unless a username is given), no
//   limit of queued messages, TCP_NODELAY, nothing written to disk (unless `persistence`).
// - It is always stopped, by its pid, when the fixture goes, and dies with the test process.
// - When the running test has failed, its log is printed.
//
// Threads: one.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace spate::test {

struct BrokerOptions {
  std::string username{};  // "" = anyone may connect
  std::string password{};
  bool persistence = false;                 // every change is saved before it is acknowledged
  std::vector<std::string> config_lines{};  // added to mosquitto.conf, after the lines above
};

class BrokerFixture {
 public:
  // Starts the broker and returns when it accepts connections. Throws std::runtime_error.
  explicit BrokerFixture(BrokerOptions options = {});
  ~BrokerFixture();
  BrokerFixture(const BrokerFixture&) = delete;
  BrokerFixture& operator=(const BrokerFixture&) = delete;

  std::uint16_t port() const { return port_; }
  static constexpr const char* host() { return "127.0.0.1"; }
  pid_t pid() const { return pid_; }  // -1 while stopped
  bool running() const { return pid_ > 0; }

  // Ends the process with `signal_number` and waits until it is gone. No effect when stopped.
  void stop(int signal_number = SIGTERM);
  // Starts it again on the same port with the same data folder. Requires !running().
  void start();
  void restart(int signal_number = SIGTERM) {
    stop(signal_number);
    start();
  }

  // SIGSTOP and SIGCONT: the link stays up but nobody answers.
  void freeze();
  void thaw();

  std::string log() const;  // what the broker has written so far
  const std::filesystem::path& folder() const { return folder_; }

 private:
  void write_config() const;
  void spawn();
  bool accepts() const;
  bool wait_until_accepting();  // false when the process ended

  BrokerOptions options_;
  std::filesystem::path folder_;  // configuration, password file, log, data; removed at the end
  std::string program_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

// A loopback port that was free a moment ago, picked by the kernel.
std::uint16_t free_port();

// The full path of a program on PATH or in /usr/sbin, /usr/local/sbin, /sbin; throws
// std::runtime_error with the name of the Debian `package` when there is none.
std::string find_program(const std::string& name, const std::string& package);

}  // namespace spate::test
