// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/child_process.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "spate/base/files.h"
#include "spate/base/real_clock.h"

namespace spate::adapters {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
namespace fs = std::filesystem;

class ChildProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/spate-child-XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Runs the loop until `done`, at most 20 s.
  template <class F>
  void run_until(F done) {
    const TimePoint end = monotonic_now() + seconds(20);
    while (!done() && monotonic_now() < end) {
      loop_.restart();
      loop_.run_for(milliseconds(20));
    }
    EXPECT_TRUE(done()) << "gave up after 20 s";
  }

  ExitStatus run_to_end(ChildSpec spec) {
    std::optional<ExitStatus> status;
    auto child = ChildProcess::spawn(loop_, clock_, spec, [&](const ExitStatus& s) { status = s; });
    EXPECT_TRUE(child) << (child ? "" : child.error().message);
    if (child) run_until([&] { return status.has_value(); });
    return status.value_or(ExitStatus{.known = false});
  }

  boost::asio::io_context loop_;
  RealClock clock_{loop_};
  fs::path folder_;
};

TEST_F(ChildProcessTest, TellsHowItEnded) {
  EXPECT_EQ(run_to_end({.argv = {"sh", "-c", "exit 3"}}).describe(), "exit status 3");
  EXPECT_EQ(run_to_end({.argv = {"sh", "-c", "kill -9 $$"}}).describe(),
            "killed by signal 9 (Killed)");
  EXPECT_TRUE(run_to_end({.argv = {"true"}}).success());
}

TEST_F(ChildProcessTest, OutputEnvironmentAndFolderAreAsAsked) {
  const fs::path log = folder_ / "log";
  ChildSpec spec{.argv = {"sh", "-c", "echo out $SPATE_X; pwd; echo err >&2"},
                 .env = {{"SPATE_X", "a b"}},
                 .log_file = log,
                 .working_dir = folder_};
  run_to_end(spec);
  EXPECT_EQ(read_file(log).value(), "out a b\n" + folder_.string() + "\nerr\n");
  run_to_end(spec);  // appended, not overwritten
  EXPECT_EQ(read_file(log).value().size(), 2 * ("out a b\n" + folder_.string() + "\nerr\n").size());
}

TEST_F(ChildProcessTest, InheritsNoSocketOfOurs) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);  // as Asio makes them: without CLOEXEC
  ASSERT_GE(fd, 3);
  const fs::path log = folder_ / "log";
  run_to_end({.argv = {"sh", "-c", "readlink /proc/$$/fd/* || true"}, .log_file = log});
  ::close(fd);
  EXPECT_EQ(read_file(log).value().find("socket:"), std::string::npos) << read_file(log).value();
}

TEST_F(ChildProcessTest, SaysWhatIsWrongWithTheProgram) {
  auto missing = ChildProcess::spawn(loop_, clock_, {.argv = {"no-such-program"}}, nullptr);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("no-such-program\" is not in PATH"), std::string::npos);

  const fs::path file = folder_ / "not-executable";
  std::ofstream(file) << "x";
  auto denied = ChildProcess::spawn(loop_, clock_, {.argv = {file.string()}}, nullptr);
  ASSERT_FALSE(denied);
  EXPECT_NE(denied.error().message.find("Permission denied"), std::string::npos)
      << denied.error().message;

  auto folder = ChildProcess::spawn(
      loop_, clock_, {.argv = {"true"}, .working_dir = folder_ / "missing"}, nullptr);
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().message.find("working directory"), std::string::npos);

  auto group = ChildProcess::spawn(
      loop_, clock_, {.argv = {"true"}, .cgroup_procs = {folder_ / "cgroup.procs"}}, nullptr);
  ASSERT_FALSE(group);
  EXPECT_NE(group.error().message.find("cgroup.procs"), std::string::npos);
}

TEST_F(ChildProcessTest, StopIsGentleThenFirm) {
  std::optional<ExitStatus> gentle;
  auto child = ChildProcess::spawn(
      loop_, clock_,
      {.argv = {"sh", "-c", "trap 'exit 7' TERM; touch up; while :; do :; done"},
       .working_dir = folder_},
      [&](const ExitStatus& s) { gentle = s; });
  ASSERT_TRUE(child) << child.error().message;
  run_until([&] { return fs::exists(folder_ / "up"); });
  (*child)->stop(seconds(15));
  run_until([&] { return gentle.has_value(); });
  EXPECT_EQ(gentle->describe(), "exit status 7");
  EXPECT_FALSE((*child)->send(SIGTERM)) << "it has ended";

  std::optional<ExitStatus> firm;
  auto deaf =
      ChildProcess::spawn(loop_, clock_,
                          {.argv = {"sh", "-c", "trap '' TERM; touch deaf; while :; do :; done"},
                           .working_dir = folder_},
                          [&](const ExitStatus& s) { firm = s; });
  ASSERT_TRUE(deaf);
  run_until([&] { return fs::exists(folder_ / "deaf"); });
  (*deaf)->stop(milliseconds(50));
  (*deaf)->stop(seconds(100));  // idempotent: the earlier deadline holds
  run_until([&] { return firm.has_value(); });
  EXPECT_EQ(firm->signal, SIGKILL);
}

TEST_F(ChildProcessTest, AdoptsExactlyTheProcessThatWasStarted) {
  std::optional<ExitStatus> first;
  auto child = ChildProcess::spawn(loop_, clock_, {.argv = {"sleep", "100"}},
                                   [&](const ExitStatus& s) { first = s; });
  ASSERT_TRUE(child);
  const ProcessIdentity identity = (*child)->identity();
  EXPECT_TRUE(is_running(identity));
  EXPECT_FALSE(is_running({identity.pid, identity.start_ticks + 1})) << "a reused pid is another";
  EXPECT_FALSE(
      ChildProcess::adopt(loop_, clock_, {identity.pid, identity.start_ticks + 1}, nullptr));

  std::optional<ExitStatus> second;
  auto adopted =
      ChildProcess::adopt(loop_, clock_, identity, [&](const ExitStatus& s) { second = s; });
  ASSERT_TRUE(adopted) << adopted.error().message;
  (*adopted)->stop(seconds(10));
  run_until([&] { return first && second; });
  EXPECT_EQ(first->known || second->known, true);
  EXPECT_FALSE(is_running(identity));
}

TEST_F(ChildProcessTest, EndsWithItsParentWhenAsked) {
  // A shell stands in for a supervisor that dies: it is itself started by us, and its child's
  // parent-death signal comes from PR_SET_PDEATHSIG of our grandchild's parent: us. So fork.
  const fs::path pid_file = folder_ / "pid";
  const pid_t supervisor = ::fork();
  ASSERT_GE(supervisor, 0);
  if (supervisor == 0) {
    boost::asio::io_context loop;
    RealClock clock(loop);
    auto child = ChildProcess::spawn(
        loop, clock, {.argv = {"sleep", "100"}, .parent_death_signal = SIGKILL}, nullptr);
    std::ofstream(pid_file) << (child ? (*child)->pid() : 0);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(supervisor, &status, 0), supervisor);
  const pid_t orphan = std::stoi(read_file(pid_file).value());
  ASSERT_GT(orphan, 0);
  run_until([&] { return !identify_process(orphan); });
}

TEST_F(ChildProcessTest, ManyAtOnceNeedNoThreads) {
  int ended = 0;
  std::vector<std::unique_ptr<ChildProcess>> children;
  for (int i = 0; i < 20; ++i) {
    auto child = ChildProcess::spawn(loop_, clock_, {.argv = {"true"}},
                                     [&](const ExitStatus& s) { ended += s.success() ? 1 : 100; });
    ASSERT_TRUE(child);
    children.push_back(std::move(child.value()));
  }
  run_until([&] { return ended >= 20; });
  EXPECT_EQ(ended, 20);
}

}  // namespace
}  // namespace spate::adapters
