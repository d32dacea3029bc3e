// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/external_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace spate::adapters {
namespace {

constexpr std::size_t kLongestLine = 1U << 20;

Error system_error(const char* what) {
  return {ErrorCode::Unavailable, fmt::format("{}: {}", what, std::strerror(errno))};
}

}  // namespace

Result<std::unique_ptr<ExternalProgram>> ExternalProgram::start(const std::string& command) {
  // A socket pair for its input: MSG_NOSIGNAL spares us SIGPIPE. A pipe for its output.
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in.data()) != 0) {
    return system_error("socketpair");
  }
  Fd our_in(in[0]);
  Fd its_in(in[1]);
  if (::pipe2(out.data(), O_CLOEXEC) != 0) return system_error("pipe");
  Fd our_out(out[0]);
  Fd its_out(out[1]);
  ::fcntl(our_in.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(our_out.get(), F_SETFL, O_NONBLOCK);

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&files, its_in.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, its_out.get(), STDOUT_FILENO);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  std::string shell = "/bin/sh";
  std::string option = "-c";
  std::string text = command;
  std::array<char*, 4> argv{shell.data(), option.data(), text.data(), nullptr};
  pid_t pid = 0;
  const int failed = ::posix_spawn(&pid, shell.c_str(), &files, &attributes, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    errno = failed;
    return system_error("/bin/sh");
  }
  return std::unique_ptr<ExternalProgram>(
      new ExternalProgram(pid, std::move(our_in), std::move(our_out)));
}

ExternalProgram::ExternalProgram(pid_t pid, Fd in, Fd out)
    : pid_(pid), in_(std::move(in)), out_(std::move(out)) {}

ExternalProgram::~ExternalProgram() {
  in_ = Fd();
  if (reaped_) return;
  ::kill(-pid_, SIGKILL);
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
}

Status ExternalProgram::send(const std::string& line) {
  const std::string text = line + "\n";
  const ssize_t sent = ::send(in_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(text.size())) return ok();
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
    const std::string how = how_it_ended();
    return Error{ErrorCode::Unavailable, how.empty() ? "it closed its input" : "it ended: " + how};
  }
  // A part of a line would make the next one unreadable: there is no way back from here.
  return Error{ErrorCode::Exhausted, "it does not read its input"};
}

bool ExternalProgram::fill() {
  std::array<char, 16'384> chunk;
  for (;;) {
    const ssize_t got = ::read(out_.get(), chunk.data(), chunk.size());
    if (got > 0) {
      buffer_.append(chunk.data(), static_cast<std::size_t>(got));
      if (buffer_.size() > kLongestLine) return true;
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }
}

std::optional<std::string> ExternalProgram::take_line() {
  const auto end = buffer_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

Result<std::optional<std::string>> ExternalProgram::receive(Duration at_most) {
  using std::chrono::milliseconds;
  auto left = std::chrono::duration_cast<milliseconds>(at_most);
  for (;;) {
    if (auto line = take_line()) return line;
    if (buffer_.size() > kLongestLine) {
      return Error{ErrorCode::InvalidArgument, "a line of more than 1 MiB"};
    }
    const bool open = fill();
    if (auto line = take_line()) return line;
    if (!open) {
      // The end of its output is seen a moment before its own end.
      std::string how = how_it_ended();
      for (int i = 0; i < 10 && how.empty(); ++i) {
        ::poll(nullptr, 0, 10);
        how = how_it_ended();
      }
      return Error{ErrorCode::Unavailable,
                   how.empty() ? "it closed its output" : "it ended: " + how};
    }
    if (left <= milliseconds{0}) return std::optional<std::string>();
    // A line may come in pieces; each wait is for what is left, in steps that need no clock.
    const auto step = std::min(left, milliseconds{10});
    pollfd poll{.fd = out_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&poll, 1, static_cast<int>(step.count())) == 0) left -= step;
  }
}

std::string ExternalProgram::how_it_ended() {
  if (!reaped_) {
    if (::waitpid(pid_, &status_, WNOHANG) != pid_) return "";
    reaped_ = true;
    ::kill(-pid_, SIGKILL);  // children it left behind
  }
  return WIFSIGNALED(status_) ? fmt::format("killed by signal {}", WTERMSIG(status_))
                              : fmt::format("exit status {}", WEXITSTATUS(status_));
}

}  // namespace spate::adapters
