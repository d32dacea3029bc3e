// SPDX-License-Identifier: Apache-2.0
//
// ExternalProgram: a child process that is written a line and answers with a line. Its standard
// error goes to ours. It is run by /bin/sh, in a process group of its own, and sees the end of its
// input when we close or die.
//
// Threads: one at a time. receive() blocks for at most the time it is given.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "spate/adapters/fd.h"
#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace spate::adapters {

class ExternalProgram {
 public:
  // Fails when the shell cannot be started; a command that does not exist ends with status 127.
  static Result<std::unique_ptr<ExternalProgram>> start(const std::string& command);
  // Closes its input; what is still there after that is killed with its group.
  ~ExternalProgram();
  ExternalProgram(const ExternalProgram&) = delete;
  ExternalProgram& operator=(const ExternalProgram&) = delete;

  // Writes `line` and its end. Does not block: Exhausted when the program does not read what it is
  // written, Unavailable when it has ended.
  Status send(const std::string& line);
  // The next whole line; nothing when none came within `at_most`. Unavailable, saying how, when
  // the program has ended; InvalidArgument when a line is longer than 1 MiB.
  Result<std::optional<std::string>> receive(Duration at_most);

  // Once it has ended: how ("exit status 1", "killed by signal 9"); else "".
  std::string how_it_ended();

 private:
  ExternalProgram(pid_t pid, Fd in, Fd out);
  bool fill();  // reads what is there; false at the end of its output
  std::optional<std::string> take_line();

  pid_t pid_;
  bool reaped_ = false;
  int status_ = 0;
  Fd in_;   // its standard input
  Fd out_;  // its standard output
  std::string buffer_;
};

}  // namespace spate::adapters
