// SPDX-License-Identifier: Apache-2.0
//
// Control groups of the real kernel: limits really limit, nothing stays behind. Skipped, with the
// reason, where none can be made (the fallback has its own tests).
#include "spate/adapters/cgroup.h"

#include <gtest/gtest.h>

#include <csignal>

#include "spate/adapters/child_process.h"
#include "spate/adapters/proc_files.h"
#include "spate/adapters/resource_monitor.h"
#include "testing/loop.h"
#include "testing/test_folder.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class RealCgroups : public testing::Test {
 protected:
  void SetUp() override {
    name_ = "spate-test" + std::to_string(::getpid()) + "-cg";
    auto opened = CgroupParent::open(name_, {});
    if (!opened) GTEST_SKIP() << "no control group can be made here: " << opened.error().message;
    parent_ = std::move(opened.value());
  }
  void TearDown() override {
    if (child_) {
      child_->stop(Duration{0});
      EXPECT_TRUE(loop_.run_until([&] { return !child_->running(); }));
    }
    if (!parent_) return;
    EXPECT_TRUE(loop_.run_until([&] { return bool(parent_->remove()); }));
    EXPECT_FALSE(fs::exists(parent_->folder()));
  }

  // A process in `group` that wants a whole CPU.
  void spin(const Cgroup& group) {
    auto child = ChildProcess::spawn(
        loop_.io, loop_.clock,
        {.argv = {"sh", "-c", "while :; do :; done"}, .cgroup_procs = group.procs_files()},
        [](const ExitStatus&) {});
    ASSERT_TRUE(child) << child.error().message;
    child_ = std::move(child.value());
  }
  CgroupUsage usage(const Cgroup& group) {
    const auto read = group.read();
    EXPECT_TRUE(read) << (read ? "" : read.error().message);
    return read ? *read : CgroupUsage{};
  }
  // CPU time per period (of 100 ms) over the next `periods` of them: the share of a CPU used,
  // whatever else the machine does.
  double share_over(const Cgroup& group, std::uint64_t periods) {
    const CgroupUsage from = usage(group);
    EXPECT_TRUE(loop_.run_until([&] { return usage(group).periods >= from.periods + periods; }));
    const CgroupUsage to = usage(group);
    return (to.cpu_seconds - from.cpu_seconds) /
           (0.1 * static_cast<double>(to.periods - from.periods));
  }

  std::string name_;
  test::Loop loop_;
  std::unique_ptr<CgroupParent> parent_;
  std::unique_ptr<ChildProcess> child_;
};

TEST_F(RealCgroups, AQuotaLimitsTheCpuAProcessGets) {
  auto group = parent_->make("m-1");
  ASSERT_TRUE(group) << group.error().message;
  ASSERT_TRUE((*group)->set_cpu_limit(0.2));
  EXPECT_NEAR((*group)->cpu_limit().value(), 0.2, 1e-9);
  spin(**group);
  const double small = share_over(**group, 8);
  EXPECT_LT(small, 0.26);
  EXPECT_GT(small, 0.04) << "it does run";
  EXPECT_GT(usage(**group).throttled_periods, 0U);

  // Raised: the same process gets more, at once.
  ASSERT_TRUE((*group)->set_cpu_limit(0.6));
  const double large = share_over(**group, 8);
  EXPECT_LT(large, 0.7);
  EXPECT_GT(large, small * 1.3) << "unless something else takes both CPUs";
}

TEST_F(RealCgroups, ChildrenAreInTheirGroupFromTheirFirstInstruction) {
  auto group = parent_->make("m-1");
  ASSERT_TRUE(group);
  const test::TestFolder folder;
  bool ended = false;
  auto child = ChildProcess::spawn(loop_.io, loop_.clock,
                                   {.argv = {"cat", "/proc/self/cgroup"},
                                    .log_file = folder / "out",
                                    .cgroup_procs = (*group)->procs_files()},
                                   [&](const ExitStatus&) { ended = true; });
  ASSERT_TRUE(child);
  ASSERT_TRUE(loop_.run_until([&] { return ended; }));
  EXPECT_NE(read_file(folder / "out")->find(name_ + "/m-1"), std::string::npos)
      << *read_file(folder / "out");
  EXPECT_GT(usage(**group).cpu_seconds, 0.0) << "its whole life is in the account";
}

TEST_F(RealCgroups, AGroupInUseIsNotRemovedAndItsDeathFreesIt) {
  auto group = parent_->make("m-1");
  ASSERT_TRUE(group);
  spin(**group);
  const Status busy = (*group)->remove();
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, ErrorCode::Unavailable);
  child_->stop(Duration{0});
  ASSERT_TRUE(loop_.run_until([&] { return !child_->running(); }));
  EXPECT_TRUE(loop_.run_until([&] { return bool((*group)->remove()); }));
  EXPECT_TRUE((*group)->remove()) << "gone is gone";
}

TEST_F(RealCgroups, ASweepTakesEmptyGroupsOfOthersAndLeavesThoseInUse) {
  auto dead = CgroupParent::open(name_ + "-dead", {});
  auto live = CgroupParent::open(name_ + "-live", {});
  ASSERT_TRUE(dead);
  ASSERT_TRUE(live);
  ASSERT_TRUE((*dead)->make("m-1"));
  auto used = (*live)->make("m-1");
  ASSERT_TRUE(used);
  spin(**used);
  EXPECT_GE(parent_->sweep_siblings(), 1);
  EXPECT_FALSE(fs::exists((*dead)->folder()));
  EXPECT_TRUE(fs::exists((*live)->folder() / "m-1"));
  EXPECT_TRUE(fs::exists(parent_->folder())) << "our own stays";
  child_->stop(Duration{0});
  ASSERT_TRUE(loop_.run_until([&] { return !child_->running(); }));
  EXPECT_TRUE(loop_.run_until([&] { return bool((*live)->remove()); }));
}

TEST_F(RealCgroups, TheMonitorReadsAWorkerFromItsGroupAndOthersFromProc) {
  auto group = parent_->make("m-1");
  ASSERT_TRUE(group);
  spin(**group);
  const test::TestFolder folder;
  folder.write("components/broker.pid", std::to_string(child_->pid()) + "\n");
  folder.write("components/influx.pid", "999999999\n");
  folder.write("components/notes.txt", "not a pid file");
  ResourceMonitor monitor(folder / "components", [&](const std::string& replica) {
    return replica == "m-1" ? group->get() : nullptr;
  });
  const std::vector<scaling::ReplicaInfo> workers = {
      {.replica_id = "m-1", .model = "m", .pid = child_->pid()},
      {.replica_id = "m-2", .model = "m", .pid = 999999999}};
  ASSERT_TRUE(loop_.run_until([&] { return usage(**group).cpu_seconds > 0.05; }));
  std::map<std::string, ComponentReading> seen;
  for (const auto& r : monitor.read_all(workers)) seen[r.component + r.replica] = r;
  ASSERT_EQ(seen.size(), 3U) << "what does not run is left out";
  EXPECT_GT(seen.at("gateway").memory_bytes, 1'000'000U);
  EXPECT_GT(seen.at("gateway").cpu_seconds, 0.0);
  EXPECT_GT(seen.at("workerm-1").cpu_seconds, 0.05);
  EXPECT_GT(seen.at("workerm-1").private_bytes, 0U);
  EXPECT_LE(seen.at("workerm-1").private_bytes, seen.at("workerm-1").memory_bytes);
  // The group and the process' own CPU clock tell the same story.
  EXPECT_NEAR(seen.at("broker").cpu_seconds, seen.at("workerm-1").cpu_seconds, 0.05);
}

}  // namespace
}  // namespace spate::adapters
