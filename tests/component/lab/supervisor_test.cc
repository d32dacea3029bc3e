// SPDX-License-Identifier: Apache-2.0
//
// The supervisor with real children. `tail -f FILE` stands for a process that runs until it is
// ended and names the run's folder in its command line, as all of ours do.
#include "spate/lab/supervisor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "testing/child_process.h"
#include "testing/test_folder.h"

namespace spate::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Duration kBound = std::chrono::seconds(15);

class SupervisorTest : public testing::Test {
 protected:
  // In the normal form that the supervisor gives to paths.
  SupervisorTest() : file_(folder_.write("runs/file", "x").lexically_normal()) {}

  std::filesystem::path runs() const { return file_.parent_path(); }
  std::filesystem::path registry() const { return folder_ / "registry"; }
  adapters::ChildSpec forever() const {
    adapters::ChildSpec spec;
    spec.argv = {"tail", "-f", file_.string()};
    spec.log_file = folder_ / "log";
    return spec;
  }

  test::TestFolder folder_;
  std::filesystem::path file_;
  LiveLoop loop_;
};

TEST_F(SupervisorTest, EndsItsChildrenWithItself) {
  pid_t pid = 0;
  {
    Supervisor supervisor(loop_, runs(), registry());
    ASSERT_TRUE(supervisor.start("one", forever()));
    EXPECT_TRUE(supervisor.running("one"));
    pid = supervisor.pid_of("one");
    EXPECT_FALSE(std::filesystem::is_empty(registry())) << "it noted itself";
  }
  EXPECT_EQ(command_line(pid), "");
  EXPECT_TRUE(std::filesystem::is_empty(registry())) << "and forgot itself";
}

TEST_F(SupervisorTest, SeesAChildEnd) {
  Supervisor supervisor(loop_, runs(), registry());
  adapters::ChildSpec spec;
  spec.argv = {"sh", "-c", "exit 3"};
  int calls = 0;
  ASSERT_TRUE(supervisor.start("short", spec, [&](const adapters::ExitStatus& status) {
    ++calls;
    EXPECT_EQ(status.code, 3);
  }));
  ASSERT_EQ(loop_.run_until([&] { return calls > 0; }, kBound), Waited::Done);
  EXPECT_FALSE(supervisor.running("short"));
  EXPECT_EQ(supervisor.exit_of("short")->code, 3);
  EXPECT_TRUE(supervisor.start("short", spec)) << "its name is free again";
}

TEST_F(SupervisorTest, SweepsGrandchildrenThatLostTheirParent) {
  Supervisor supervisor(loop_, runs(), registry());
  adapters::ChildSpec spec;
  spec.argv = {"sh", "-c", "tail -f " + file_.string() + " & exit 0"};
  spec.log_file = folder_ / "log";
  ASSERT_TRUE(supervisor.start("parent", spec));
  ASSERT_EQ(loop_.run_until([&] { return !supervisor.running("parent"); }, kBound), Waited::Done);
  const auto swept = supervisor.end_all();
  EXPECT_THAT(swept, ElementsAre(HasSubstr("tail -f")));
  EXPECT_TRUE(supervisor.end_all().empty()) << "nothing is left";
}

TEST_F(SupervisorTest, AStoppedGrandchildEndsInOrderToo) {
  // As a parked worker: stopped, and with something to do at its end.
  const auto marker = runs() / "ended";
  const auto pid_file = runs() / "pid";
  folder_.write("runs/script", "trap 'echo x > " + marker.string() + "; exit 0' TERM\necho $$ > " +
                                   pid_file.string() + "\nkill -STOP $$\nexit 1\n");
  Supervisor supervisor(loop_, runs(), registry());
  adapters::ChildSpec spec;
  spec.argv = {"sh", "-c", "sh " + (runs() / "script").string() + " & exit 0"};
  spec.log_file = folder_ / "log";
  ASSERT_TRUE(supervisor.start("parent", spec));
  const auto stopped = [&] {
    const auto pid = read_file(pid_file);
    if (!pid || pid->empty()) return false;
    const auto stat = read_file("/proc/" + std::to_string(std::stoi(*pid)) + "/stat");
    return stat && stat->substr(stat->rfind(')') + 2, 1) == "T";
  };
  ASSERT_EQ(loop_.run_until(stopped, kBound), Waited::Done);
  EXPECT_EQ(supervisor.end_all().size(), 1U);
  EXPECT_TRUE(std::filesystem::exists(marker)) << "it was woken to take its SIGTERM";
}

TEST_F(SupervisorTest, LeavesChildrenAloneThatAreNotOurs) {
  test::ChildProcess other({"/usr/bin/tail", "-f", "/dev/null"});
  Supervisor supervisor(loop_, runs(), registry());
  EXPECT_TRUE(supervisor.end_all().empty());
  EXPECT_TRUE(other.running());
}

TEST_F(SupervisorTest, AStubbornChildIsKilled) {
  Supervisor supervisor(loop_, runs(), registry());
  adapters::ChildSpec spec;
  spec.argv = {"sh", "-c", "trap '' TERM; echo ready; while :; do :; done"};
  spec.log_file = folder_ / "log";
  ASSERT_TRUE(supervisor.start("stubborn", spec));
  ASSERT_EQ(loop_.run_until(
                [&] {
                  const auto said = read_file(folder_ / "log");
                  return said && said->find("ready") != std::string::npos;
                },
                kBound),
            Waited::Done);
  supervisor.stop("stubborn", std::chrono::milliseconds(100));
  EXPECT_FALSE(supervisor.running("stubborn"));
  EXPECT_EQ(supervisor.exit_of("stubborn")->signal, SIGKILL);
}

TEST_F(SupervisorTest, SweepsWhatAKilledSupervisorLeft) {
  test::ChildProcess left({"/usr/bin/tail", "-f", file_.string()});
  test::ChildProcess gone({"/bin/true"});
  ASSERT_EQ(gone.wait(), 0);
  folder_.write(
      "registry/supervisor-1.json",
      nlohmann::json{{"pid", gone.pid()}, {"start_ticks", 1}, {"folder", runs().string()}}.dump());
  Supervisor supervisor(loop_, folder_ / "other", registry());
  const auto swept = supervisor.sweep_leftovers();
  ASSERT_EQ(swept.size(), 1U);
  EXPECT_EQ(swept[0].folder, runs());
  EXPECT_THAT(swept[0].ended, ElementsAre(left.pid()));
  EXPECT_EQ(left.wait(), 128 + SIGTERM);
  EXPECT_FALSE(std::filesystem::exists(registry() / "supervisor-1.json"));
}

TEST_F(SupervisorTest, ALiveSupervisorsProcessesAreNotSwept) {
  Supervisor one(loop_, runs(), registry());
  ASSERT_TRUE(one.start("child", forever()));
  std::filesystem::rename(registry() / ("supervisor-" + std::to_string(::getpid()) + ".json"),
                          registry() / "supervisor-0.json");
  Supervisor two(loop_, folder_ / "other", registry());
  EXPECT_TRUE(two.sweep_leftovers().empty());
  EXPECT_TRUE(one.running("child"));
}

TEST_F(SupervisorTest, RunsAHelperToItsEndOrItsLimit) {
  Supervisor supervisor(loop_, runs(), registry());
  const auto done = supervisor.run({"sh", "-c", "echo hello; exit 4"}, folder_ / "out", kBound);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->code, 4);
  EXPECT_EQ(read_file(folder_ / "out").value(), "hello\n");
  const auto late = supervisor.run({"tail", "-f", file_.string()}, folder_ / "out",
                                   std::chrono::milliseconds(50));
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, ErrorCode::Timeout);
  EXPECT_FALSE(supervisor.run({"/no/such/program"}, folder_ / "out", kBound).has_value());
}

TEST(LiveLoop, CtrlCEndsAWaitButNotOneToTheEnd) {
  LiveLoop loop;
  loop.clock().post([] { ::raise(SIGINT); });
  EXPECT_EQ(loop.run_until([] { return false; }, kBound), Waited::Interrupted);
  EXPECT_TRUE(loop.interrupted());
  int events = 0;
  loop.clock().post([&] { ++events; });
  EXPECT_EQ(loop.run_until([&] { return events > 0; }, kBound, true), Waited::Done);
  EXPECT_EQ(loop.run_until([] { return false; }, std::chrono::milliseconds(1), true),
            Waited::TimedOut);
}

}  // namespace
}  // namespace spate::lab
