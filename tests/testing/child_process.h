// SPDX-License-Identifier: Apache-2.0
//
// ChildProcess: a program under test as a real process. Its output goes to a file, which is
// printed when the running test has failed; it is always ended, by its pid, when this goes, and
// dies with the test process.
//
// Threads: one. Functions that wait are bounded (20 s unless told) and then fail the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "testing/test_folder.h"

namespace spate::test {

class ChildProcess {
 public:
  // `command`: program (a path) and arguments. `environment`: "NAME=value", added to our own.
  // Throws std::runtime_error when it cannot be started.
  explicit ChildProcess(std::vector<std::string> command,
                        std::vector<std::string> environment = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Its exit status once it has ended by itself; 128 + n when signal n ended it; -1 when it still
  // runs after `limit`.
  int wait(std::chrono::seconds limit = std::chrono::seconds(20));
  bool running();  // looks without waiting

  std::string output() const;  // standard output and error so far
  // Waits until the output holds `text`; false when it ended, or `limit` passed, without it.
  bool wait_for_output(const std::string& text,
                       std::chrono::seconds limit = std::chrono::seconds(20));
  // User and system CPU time it has used, in seconds.
  double cpu_seconds() const;

 private:
  void reap(int status);

  std::vector<std::string> command_;
  std::filesystem::path log_;
  pid_t pid_ = -1;
  int pidfd_ = -1;
  bool ended_ = false;
  int status_ = -1;
};

}  // namespace spate::test
