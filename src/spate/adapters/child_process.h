// SPDX-License-Identifier: Apache-2.0
//
// ChildProcess: starts, watches and ends one process. Used by the process actuator for workers
// and by the lab for broker, gateway and influx.
//
// Starting is vfork + exec (about a millisecond whatever the size of the parent); between the
// two the child joins the given cgroups, so it never runs outside them. Its end is seen through
// a pidfd on the event loop: no signal handler, no thread per child.
//
// Threads: all calls and handlers on the loop's thread. That thread must live as long as
// the program: Linux sends the parent-death signal when the *thread* that started the child ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spate/base/clock.h"
#include "spate/base/result.h"

namespace boost::asio {
class io_context;
}

namespace spate::adapters {

struct ChildSpec {
  std::vector<std::string> argv{};  // argv[0]: the program, a path or a name looked up in PATH
  std::vector<std::pair<std::string, std::string>> env{};  // added to, or in place of, our own
  std::filesystem::path log_file{};     // stdout and stderr are appended to it; empty = ours
  std::filesystem::path working_dir{};  // empty = ours
  // Sent to the child by the kernel when we die (SIGTERM, SIGKILL); nothing = it lives on.
  std::optional<int> parent_death_signal{};
  // `cgroup.procs` files the child writes itself into before exec.
  std::vector<std::filesystem::path> cgroup_procs{};
  // A process group of its own: Ctrl-C at the terminal reaches us only, and we end it in order.
  bool own_process_group = true;
};

struct ExitStatus {
  bool known = true;  // false for an adopted process: it was not our child, nobody can tell
  int code = 0;       // exit status, when it exited by itself
  int signal = 0;     // the signal that ended it; 0 = none
  bool success() const { return known && code == 0 && signal == 0; }
  std::string describe() const;  // "exit status 3", "killed by signal 9 (Killed)", …
};

// A pid alone can be reused; a pid with its start time cannot.
struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/<pid>/stat
};
// Of a process that runs now (a zombie does not count); NotFound otherwise.
Result<ProcessIdentity> identify_process(pid_t pid);
bool is_running(const ProcessIdentity& process);

class ChildProcess {
 public:
  // Called once, from the loop, when the process has ended.
  using ExitHandler = std::function<void(const ExitStatus&)>;

  // Fails when the program cannot be executed, the log not opened, or a cgroup not joined.
  static Result<std::unique_ptr<ChildProcess>> spawn(boost::asio::io_context& loop, Clock& clock,
                                                     const ChildSpec& spec, ExitHandler on_exit);
  // Watches a process that an earlier incarnation of us started. NotFound when it is gone or
  // the pid now belongs to another process.
  static Result<std::unique_ptr<ChildProcess>> adopt(boost::asio::io_context& loop, Clock& clock,
                                                     const ProcessIdentity& process,
                                                     ExitHandler on_exit);

  // Does not end the process: one that still runs goes on, unwatched. No handler is called
  // after this.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const;
  ProcessIdentity identity() const;
  bool running() const;
  std::optional<ExitStatus> exit_status() const;  // once it has ended

  // Sends `signal` to exactly this process (through its pidfd). NotFound once it has ended.
  Status send(int signal);
  // SIGTERM now, SIGKILL after `grace` if it still runs. Again: the earlier deadline holds.
  void stop(Duration grace);

 private:
  struct State;
  explicit ChildProcess(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace spate::adapters
