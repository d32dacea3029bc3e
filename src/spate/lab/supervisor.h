// SPDX-License-Identifier: Apache-2.0
//
// Supervisor: owns every process of an experiment. What it starts ends when it ends:
//
//   orderly end     stop() each, then end_all() sweeps what is left, grandchildren included
//                   (it is their subreaper: a worker whose gateway died becomes its child)
//   it is killed    children get SIGTERM from the kernel; workers are ended by the next start's
//                   sweep at the latest (and end by themselves when no gateway comes back)
//
// It notes itself and its run folder in a registry outside of the folder, by which a later start
// finds what a killed supervisor left.
//
// Threads: the loop's thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spate/adapters/child_process.h"
#include "spate/base/result.h"
#include "spate/lab/live_loop.h"

namespace spate::lab {

// Where supervisors note themselves: $XDG_RUNTIME_DIR/spate, else <temporary folder>/spate-<uid>.
std::filesystem::path runtime_directory();

struct Swept {
  std::filesystem::path folder;  // of the supervisor that had been killed
  std::vector<pid_t> ended;      // processes that still ran
};

class Supervisor {
 public:
  // `folder`: the root of the run directories; all our children name a path below it in their
  // command lines. Becomes the subreaper and notes itself in `registry`.
  Supervisor(LiveLoop& loop, std::filesystem::path folder,
             std::filesystem::path registry = runtime_directory());
  // Ends everything.
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Ends what supervisors that no longer run have left behind, and forgets them.
  std::vector<Swept> sweep_leftovers();

  using ExitHandler = std::function<void(const adapters::ExitStatus&)>;
  // Starts a child that dies with us. Requires that no child named `name` runs.
  Status start(const std::string& name, adapters::ChildSpec spec, ExitHandler on_exit = {});
  bool running(const std::string& name) const;
  pid_t pid_of(const std::string& name) const;  // 0 when it was never started
  // Its exit, once it has ended.
  std::optional<adapters::ExitStatus> exit_of(const std::string& name) const;
  // SIGTERM, SIGKILL after `grace`; returns when it has ended.
  void stop(const std::string& name, Duration grace);
  Status send(const std::string& name, int signal);

  // Runs a helper to its end, at most `limit`, its output in `log`.
  Result<adapters::ExitStatus> run(const std::vector<std::string>& argv,
                                   const std::filesystem::path& log, Duration limit);

  // Ends every child and every descendant that has become our child; bounded by about 12 s.
  // Children that whoever started us had before (a shell that became us) are left alone.
  // Returns what had to be swept, by command line.
  std::vector<std::string> end_all();
  // Collects descendants that ended after they had become our children.
  void reap_orphans();

 private:
  // Children that we did not start: zombies, and those whose command line names our folder.
  std::vector<pid_t> orphans() const;

  LiveLoop& loop_;
  std::filesystem::path folder_;
  std::filesystem::path registry_;
  std::filesystem::path note_;
  std::map<std::string, std::unique_ptr<adapters::ChildProcess>> children_;
};

// The command line of a process, words joined by spaces; "" when it is gone or a zombie.
std::string command_line(pid_t pid);

}  // namespace spate::lab
