// SPDX-License-Identifier: Apache-2.0
#include "testing/child_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace spate::test {
namespace {

using Steady = std::chrono::steady_clock;

}  // namespace

ChildProcess::ChildProcess(std::vector<std::string> command, std::vector<std::string> environment)
    : command_(std::move(command)) {
  std::string log = (std::filesystem::temp_directory_path() / "spate-child-XXXXXX").string();
  const int out = ::mkstemp(log.data());
  if (out < 0) throw std::runtime_error("mkstemp failed");
  log_ = log;
  std::vector<char*> argv;
  for (std::string& part : command_) argv.push_back(part.data());
  argv.push_back(nullptr);
  std::vector<char*> env;
  for (char** at = environ; *at != nullptr; ++at) env.push_back(*at);
  for (std::string& entry : environment) env.push_back(entry.data());
  env.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(out, 1);
    ::dup2(out, 2);
    ::close(out);
    ::execve(argv[0], argv.data(), env.data());
    std::perror(argv[0]);
    ::_exit(127);
  }
  ::close(out);
  if (pid_ < 0) throw std::runtime_error("fork failed");
  pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) throw std::runtime_error("pidfd_open failed");
}

ChildProcess::~ChildProcess() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
  }
  ::close(pidfd_);
  if (::testing::Test::HasFailure()) {
    std::printf("--- output of %s %s (pid %d)\n%s---\n", command_[0].c_str(),
                command_.size() > 1 ? command_[1].c_str() : "", pid_, output().c_str());
  }
  std::error_code ignored;
  std::filesystem::remove(log_, ignored);
}

void ChildProcess::signal(int number) const {
  if (!ended_) ::kill(pid_, number);
}

void ChildProcess::reap(int status) {
  ended_ = true;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ChildProcess::wait(std::chrono::seconds limit) {
  if (ended_) return status_;
  pollfd ready{pidfd_, POLLIN, 0};
  const int timeout_ms = static_cast<int>(std::chrono::milliseconds(limit).count());
  if (::poll(&ready, 1, timeout_ms) != 1) return -1;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  reap(status);
  return status_;
}

bool ChildProcess::running() {
  int status = 0;
  if (!ended_ && ::waitpid(pid_, &status, WNOHANG) == pid_) reap(status);
  return !ended_;
}

std::string ChildProcess::output() const {
  std::ifstream in(log_, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool ChildProcess::wait_for_output(const std::string& text, std::chrono::seconds limit) {
  const auto end = Steady::now() + limit;
  while (output().find(text) == std::string::npos) {
    if (!running() || Steady::now() >= end) return output().find(text) != std::string::npos;
    pollfd ended{pidfd_, POLLIN, 0};
    ::poll(&ended, 1, 5);  // a file cannot be waited for: look again, or at once when it ends
  }
  return true;
}

double ChildProcess::cpu_seconds() const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/stat");
  std::string text;
  std::getline(in, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0.0, system = 0.0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace spate::test
