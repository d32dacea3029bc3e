// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "spate/adapters/fd.h"
#include "spate/base/check.h"
#include "spate/base/files.h"

extern char** environ;

namespace spate::adapters {
namespace {

// Through syscall(): the C library's header of these two lacks extern "C" up to version 2.36.
int pidfd_open(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)); }
int pidfd_send_signal(int pidfd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0U));
}

enum class Step : int { None, Cgroup, ParentDeath, ParentGone, WorkingDir, Redirect, Exec };

const char* to_text(Step step) {
  switch (step) {
    case Step::Cgroup:
      return "joining its cgroup";
    case Step::ParentDeath:
      return "prctl(PR_SET_PDEATHSIG)";
    case Step::ParentGone:
      return "its parent ended meanwhile";
    case Step::WorkingDir:
      return "changing to its working directory";
    case Step::Redirect:
      return "redirecting its output";
    default:
      return "executing it";
  }
}

// Everything the child needs, made before vfork: in the child nothing may allocate, lock, or
// change memory other than its own stack and `failed_*`, which the parent reads afterwards.
struct Plan {
  const char* program = nullptr;
  char* const* argv = nullptr;
  char* const* envp = nullptr;
  const char* working_dir = nullptr;
  const int* cgroup_fds = nullptr;
  std::size_t cgroup_count = 0;
  int null_fd = -1;
  int log_fd = -1;
  int parent_death_signal = 0;
  pid_t parent = 0;
  bool own_process_group = true;
  volatile int failed_errno = 0;
  volatile Step failed_step = Step::None;
};

[[noreturn]] void child_fails(Plan& plan, Step step) {
  plan.failed_errno = errno;
  plan.failed_step = step;
  ::_exit(127);
}

// Runs in the child, on memory shared with the (suspended) parent.
[[noreturn, gnu::noinline]] void child_main(Plan& plan) {
  for (int s = 1; s < NSIG; ++s) {
    // Dispositions are the child's own; a handler of ours must never run here.
    if (s != SIGKILL && s != SIGSTOP) ::signal(s, SIG_DFL);
  }
  for (std::size_t i = 0; i < plan.cgroup_count; ++i) {
    if (::write(plan.cgroup_fds[i], "0\n", 2) != 2) child_fails(plan, Step::Cgroup);
  }
  if (plan.own_process_group) ::setpgid(0, 0);
  if (plan.parent_death_signal != 0) {
    if (::prctl(PR_SET_PDEATHSIG, plan.parent_death_signal) != 0) {
      child_fails(plan, Step::ParentDeath);
    }
    if (::getppid() != plan.parent) child_fails(plan, Step::ParentGone);
  }
  if (plan.working_dir != nullptr && ::chdir(plan.working_dir) != 0) {
    child_fails(plan, Step::WorkingDir);
  }
  if (::dup2(plan.null_fd, 0) < 0) child_fails(plan, Step::Redirect);
  if (plan.log_fd >= 0 && (::dup2(plan.log_fd, 1) < 0 || ::dup2(plan.log_fd, 2) < 0)) {
    child_fails(plan, Step::Redirect);
  }
  // Sockets of ours are not all close-on-exec; a child that inherited a listening socket would
  // keep its port busy after our end.
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    for (int fd = 3; fd < 65536; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program, plan.argv, plan.envp);
  child_fails(plan, Step::Exec);
}

Result<std::string> find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
    std::string candidate = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Error{ErrorCode::NotFound, fmt::format("program \"{}\" is not in PATH", name)};
}

std::vector<std::string> merged_environment(
    const std::vector<std::pair<std::string, std::string>>& extra) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line = *entry;
    const std::string_view key = line.substr(0, line.find('='));
    bool replaced = false;
    for (const auto& [name, value] : extra) replaced = replaced || name == key;
    if (!replaced) out.emplace_back(line);
  }
  for (const auto& [name, value] : extra) out.push_back(fmt::format("{}={}", name, value));
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (auto& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

// Result of vfork + exec; the pid, or what failed in the child.
Result<pid_t> vfork_and_exec(Plan& plan) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) child_main(plan);
  const int vfork_errno = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return error_from_errno("vfork", vfork_errno);
  if (plan.failed_step != Step::None) {
    int ignored = 0;
    while (::waitpid(pid, &ignored, 0) < 0 && errno == EINTR) {
    }
    return error_from_errno(to_text(plan.failed_step), plan.failed_errno);
  }
  return pid;
}

}  // namespace

std::string ExitStatus::describe() const {
  if (!known) return "ended (exit status unknown: started by an earlier process)";
  if (signal != 0) {
    const char* name = ::sigdescr_np(signal);
    return fmt::format("killed by signal {} ({})", signal, name != nullptr ? name : "?");
  }
  return fmt::format("exit status {}", code);
}

Result<ProcessIdentity> identify_process(pid_t pid) {
  const Error gone{ErrorCode::NotFound, fmt::format("process {} does not run", pid)};
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return gone;
  // "pid (name) state ppid …": the name may hold anything, so count from its last ')'.
  const std::string_view text = *stat;
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 3 >= text.size()) return gone;
  const std::string_view fields = text.substr(name_end + 2);  // field 3 on
  if (fields.front() == 'Z' || fields.front() == 'X') return gone;
  std::size_t at = 0;
  for (int field = 3; field < 22 && at != std::string_view::npos; ++field) {
    at = fields.find(' ', at);
    if (at != std::string_view::npos) ++at;
  }
  ProcessIdentity identity{.pid = pid};
  if (at == std::string_view::npos ||
      std::from_chars(fields.data() + at, fields.data() + fields.size(), identity.start_ticks).ec !=
          std::errc{}) {
    return Error{ErrorCode::Internal, fmt::format("/proc/{}/stat is not as expected", pid)};
  }
  return identity;
}

bool is_running(const ProcessIdentity& process) {
  const auto now = identify_process(process.pid);
  return now && now->start_ticks == process.start_ticks;
}

struct ChildProcess::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& loop, Clock& c) : pidfd(loop), clock(c) {}

  boost::asio::posix::stream_descriptor pidfd;
  Clock& clock;
  ProcessIdentity identity;
  std::optional<ExitStatus> exit;
  ExitHandler on_exit;
  std::optional<TimerId> kill_timer;

  void watch() {
    pidfd.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error) self->ended();
                     });
  }

  void ended() {
    ExitStatus status;
    siginfo_t info{};
    const auto id = static_cast<id_t>(pidfd.native_handle());
    int waited = -1;
    do {
      waited = ::waitid(P_PIDFD, id, &info, WEXITED | WNOHANG);
    } while (waited < 0 && errno == EINTR);
    if (waited == 0 && info.si_pid != 0) {
      if (info.si_code == CLD_EXITED) {
        status.code = info.si_status;
      } else {
        status.signal = info.si_status;
      }
    } else {
      status.known = false;  // adopted, or somebody else collected it
    }
    exit = status;
    cancel_timer();
    boost::system::error_code ignored;
    pidfd.close(ignored);
    if (on_exit) {
      const auto handler = std::exchange(on_exit, nullptr);
      handler(status);
    }
  }

  void cancel_timer() {
    if (kill_timer) clock.cancel(*kill_timer);
    kill_timer.reset();
  }

  Status send(int signal) {
    if (exit || !pidfd.is_open()) {
      return Error{ErrorCode::NotFound, fmt::format("process {} has ended", identity.pid)};
    }
    if (pidfd_send_signal(pidfd.native_handle(), signal) != 0) {
      return error_from_errno(fmt::format("signal {} to process {}", signal, identity.pid), errno);
    }
    return ok();
  }
};

ChildProcess::ChildProcess(std::shared_ptr<State> state) : state_(std::move(state)) {}

ChildProcess::~ChildProcess() {
  state_->on_exit = nullptr;
  state_->cancel_timer();
  boost::system::error_code ignored;
  state_->pidfd.close(ignored);
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::spawn(boost::asio::io_context& loop,
                                                          Clock& clock, const ChildSpec& spec,
                                                          ExitHandler on_exit) {
  SPATE_CHECK(!spec.argv.empty(), "a program to start");
  const auto failed = [&](const Error& error) {
    return Error{error.code, fmt::format("cannot start {}: {}", spec.argv[0], error.message)};
  };
  const auto program = find_program(spec.argv[0]);
  if (!program) return failed(program.error());
  std::vector<std::string> arguments = spec.argv;
  std::vector<std::string> environment = merged_environment(spec.env);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(environment);

  const Fd null_fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null_fd.get() < 0) return failed(error_from_errno("/dev/null", errno));
  Fd log_fd(spec.log_file.empty()
                ? -1
                : ::open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!spec.log_file.empty() && log_fd.get() < 0) {
    return failed(error_from_errno("log " + spec.log_file.string(), errno));
  }
  std::vector<Fd> groups;
  std::vector<int> group_fds;
  for (const auto& path : spec.cgroup_procs) {
    groups.emplace_back(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (groups.back().get() < 0) return failed(error_from_errno(path.string(), errno));
    group_fds.push_back(groups.back().get());
  }

  Plan plan;
  plan.program = program->c_str();
  plan.argv = argv.data();
  plan.envp = envp.data();
  plan.working_dir = spec.working_dir.empty() ? nullptr : spec.working_dir.c_str();
  plan.cgroup_fds = group_fds.data();
  plan.cgroup_count = group_fds.size();
  plan.null_fd = null_fd.get();
  plan.log_fd = log_fd.get();
  plan.parent_death_signal = spec.parent_death_signal.value_or(0);
  plan.parent = ::getpid();
  plan.own_process_group = spec.own_process_group;
  const auto pid = vfork_and_exec(plan);
  if (!pid) return failed(pid.error());

  auto state = std::make_shared<State>(loop, clock);
  // Cannot fail for lack of the process: we are its parent and have not waited for it.
  const int pidfd = pidfd_open(*pid);
  if (pidfd < 0) {
    const Error error = error_from_errno("pidfd_open (needs Linux 5.4)", errno);
    ::kill(*pid, SIGKILL);
    return failed(error);
  }
  state->pidfd.assign(pidfd);
  const auto identity = identify_process(*pid);
  state->identity = identity ? *identity : ProcessIdentity{.pid = *pid};
  state->on_exit = std::move(on_exit);
  state->watch();
  return std::unique_ptr<ChildProcess>(new ChildProcess(std::move(state)));
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::adopt(boost::asio::io_context& loop,
                                                          Clock& clock,
                                                          const ProcessIdentity& process,
                                                          ExitHandler on_exit) {
  // The descriptor first: from then on the pid cannot change its meaning for us.
  const int pidfd = pidfd_open(process.pid);
  if (pidfd < 0) return error_from_errno(fmt::format("process {}", process.pid), errno);
  auto state = std::make_shared<State>(loop, clock);
  state->pidfd.assign(pidfd);
  if (!is_running(process)) {
    return Error{ErrorCode::NotFound,
                 fmt::format("process {} is not the one that was started", process.pid)};
  }
  state->identity = process;
  state->on_exit = std::move(on_exit);
  state->watch();
  return std::unique_ptr<ChildProcess>(new ChildProcess(std::move(state)));
}

pid_t ChildProcess::pid() const { return state_->identity.pid; }
ProcessIdentity ChildProcess::identity() const { return state_->identity; }
bool ChildProcess::running() const { return !state_->exit.has_value(); }
std::optional<ExitStatus> ChildProcess::exit_status() const { return state_->exit; }
Status ChildProcess::send(int signal) { return state_->send(signal); }

void ChildProcess::stop(Duration grace) {
  if (state_->exit || state_->kill_timer) return;
  // Failure means that it ended just now; its exit is then on the way.
  if (!state_->send(SIGTERM)) return;
  state_->kill_timer = state_->clock.call_after(grace, [weak = std::weak_ptr(state_)] {
    const auto state = weak.lock();
    if (!state) return;
    state->kill_timer.reset();
    if (!state->send(SIGKILL)) spdlog::debug("process {} ended in its grace", state->identity.pid);
  });
}

}  // namespace spate::adapters
