// SPDX-License-Identifier: Apache-2.0
#include "component/docker/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace spate::test {
namespace {

constexpr int kEndLimitMs = 60'000;

struct Output {
  int status = -1;
  std::string text;
};

Output run(const std::string& command) {
  Output out;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return out;
  std::array<char, 4096> piece{};
  for (std::size_t n = 0; (n = ::fread(piece.data(), 1, piece.size(), pipe)) > 0;) {
    out.text.append(piece.data(), n);
  }
  const int status = ::pclose(pipe);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  while (!out.text.empty() && out.text.back() == '\n') out.text.pop_back();
  return out;
}

std::string client() {
  return ::access("/usr/bin/docker", X_OK) == 0 ? "/usr/bin/docker" : "docker";
}

// The image, once for the whole program.
class Image : public testing::Environment {
 public:
  void SetUp() override {
    if (engine_socket().empty()) return;
    const Output made =
        run(fmt::format("tar -C {} -cf - container_program | {} import --change 'ENTRYPOINT "
                        "[\"/container_program\"]' - {}",
                        SPATE_BINARY_DIR, client(), kTestImage));
    ASSERT_EQ(made.status, 0) << made.text;
  }
  void TearDown() override {
    if (!engine_socket().empty()) docker(std::string("rmi -f ") + kTestImage, true);
  }
};
[[maybe_unused]] auto* const image = testing::AddGlobalTestEnvironment(new Image);

}  // namespace

std::string engine_socket() {
  const char* host = std::getenv("DOCKER_HOST");
  const std::string text = host == nullptr ? "" : host;
  if (!text.starts_with("unix://")) {
    ADD_FAILURE() << "no engine: run this through `scripts/dockerd run`";
    return "";
  }
  return text.substr(7);
}

std::string docker(const std::string& arguments, bool may_fail) {
  const Output out = run(client() + " " + arguments);
  if (!may_fail) {
    EXPECT_EQ(out.status, 0) << "docker " << arguments << ": " << out.text;
  }
  return out.status == 0 ? out.text : "";
}

void end_engine() {
  std::ifstream file(std::filesystem::path(engine_socket()).parent_path() / "dockerd.pid");
  pid_t pid = 0;
  ASSERT_TRUE(file >> pid) << "only the private engine of scripts/dockerd is ended here";
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  ASSERT_GE(handle, 0);
  ASSERT_EQ(::kill(pid, SIGTERM), 0);
  pollfd ended{.fd = handle, .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&ended, 1, kEndLimitMs), 1) << "the engine does not end";
  ::close(handle);
}

void start_engine() {
  const Output out = run(std::string(SPATE_SOURCE_DIR) + "/scripts/dockerd start");
  ASSERT_EQ(out.status, 0) << out.text;
}

double engine_cpus() { return std::stod(docker("info --format '{{.NCPU}}'")); }

std::string unique_name(const std::string& stem) {
  static int count = 0;
  return fmt::format("{}{}-{}", stem, ::getpid(), count++);
}

}  // namespace spate::test
