// SPDX-License-Identifier: Apache-2.0
#include "testing/broker_fixture.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace spate::test {
namespace {

constexpr std::chrono::seconds kStartLimit{10};
constexpr std::chrono::seconds kStopLimit{10};
constexpr int kPollMs = 5;
constexpr int kPortTries = 5;  // another process may take the port between our look and the start

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error("broker: " + what); }

[[noreturn]] void fail_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Waits until the child `pid` has ended, or `limit`. The child stays a zombie, to be reaped.
bool ended_within(pid_t pid, std::chrono::milliseconds limit) {
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0) fail_errno("pidfd_open");
  pollfd entry{descriptor, POLLIN, 0};
  const int ready = ::poll(&entry, 1, static_cast<int>(limit.count()));
  ::close(descriptor);
  return ready > 0;
}

pid_t spawn_process(const std::vector<std::string>& command, const std::string& output_file) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) fail_errno("fork");
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  const int output = ::open(output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output >= 0) {
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
  }
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail_errno("socket");
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    ::close(descriptor);
    fail_errno("no free loopback port");
  }
  ::close(descriptor);
  return ntohs(address.sin_port);
}

std::string find_program(const std::string& name, const std::string& package) {
  const char* path = std::getenv("PATH");
  std::stringstream folders(std::string(path ? path : "") + ":/usr/sbin:/usr/local/sbin:/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (folder.empty()) continue;
    const std::string candidate = folder + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  fail(name + " is not on PATH nor in /usr/sbin; install the package " + package);
}

BrokerFixture::BrokerFixture(BrokerOptions options) : options_(std::move(options)) {
  program_ = find_program("mosquitto", "mosquitto");
  std::string name = (std::filesystem::temp_directory_path() / "spate-broker-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) fail_errno("mkdtemp " + name);
  folder_ = name;
  try {
    if (!options_.username.empty()) {
      const pid_t child =
          spawn_process({find_program("mosquitto_passwd", "mosquitto"), "-b", "-c",
                         folder_ / "passwords", options_.username, options_.password},
                        folder_ / "log");
      int status = 0;
      if (::waitpid(child, &status, 0) != child || status != 0) fail("mosquitto_passwd failed");
    }
    for (int attempt = 1;; ++attempt) {
      port_ = free_port();
      write_config();
      spawn();
      if (wait_until_accepting()) return;
      if (attempt == kPortTries || log().find("Address already in use") == std::string::npos) {
        fail("mosquitto ended at start:\n" + log());
      }
    }
  } catch (...) {
    stop(SIGKILL);
    std::filesystem::remove_all(folder_);
    throw;
  }
}

BrokerFixture::~BrokerFixture() {
  try {
    stop(SIGKILL);
    if (::testing::Test::HasFailure()) std::cerr << "--- mosquitto ---\n" << log() << "---\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void BrokerFixture::write_config() const {
  std::ofstream file(folder_ / "mosquitto.conf", std::ios::trunc);
  file << "listener " << port_ << " 127.0.0.1\n"
       << "set_tcp_nodelay true\n"
       << "max_queued_messages 0\n"
       << "log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\n"
       << "log_type information\nlog_timestamp_format %H:%M:%S\n";
  if (::geteuid() == 0) file << "user root\n";  // else it could not write into our folder
  if (options_.username.empty()) {
    file << "allow_anonymous true\n";
  } else {
    file << "allow_anonymous false\npassword_file " << (folder_ / "passwords").string() << '\n';
  }
  if (options_.persistence) {
    file << "persistence true\npersistence_location " << folder_.string() << "/\n"
         << "autosave_on_changes true\nautosave_interval 1\n";
  }
  for (const std::string& line : options_.config_lines) file << line << '\n';
  if (!file.flush()) fail("cannot write " + (folder_ / "mosquitto.conf").string());
}

void BrokerFixture::spawn() {
  pid_ = spawn_process({program_, "-c", folder_ / "mosquitto.conf"}, folder_ / "log");
}

void BrokerFixture::start() {
  if (running()) fail("start() while running");
  spawn();
  if (!wait_until_accepting()) fail("mosquitto ended at its restart:\n" + log());
}

bool BrokerFixture::accepts() const {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail_errno("socket");
  const sockaddr_in address = loopback(port_);
  const bool connected =
      ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(descriptor);
  return connected;
}

bool BrokerFixture::wait_until_accepting() {
  const auto limit = std::chrono::steady_clock::now() + kStartLimit;
  while (std::chrono::steady_clock::now() < limit) {
    if (ended_within(pid_, std::chrono::milliseconds(kPollMs))) {
      ::waitpid(pid_, nullptr, 0);
      pid_ = -1;
      return false;
    }
    if (accepts()) return true;
  }
  const std::string written = log();
  stop(SIGKILL);
  fail("mosquitto does not accept on port " + std::to_string(port_) + ":\n" + written);
}

void BrokerFixture::stop(int signal_number) {
  if (!running()) return;
  ::kill(pid_, SIGCONT);  // a frozen process would not see SIGTERM
  ::kill(pid_, signal_number);
  const bool obeyed = ended_within(pid_, kStopLimit);
  if (!obeyed) ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  if (!obeyed) fail("mosquitto ignored signal " + std::to_string(signal_number));
}

void BrokerFixture::freeze() { ::kill(pid_, SIGSTOP); }
void BrokerFixture::thaw() { ::kill(pid_, SIGCONT); }

std::string BrokerFixture::log() const {
  std::ifstream file(folder_ / "log", std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace spate::test
