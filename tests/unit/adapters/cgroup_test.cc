// SPDX-License-Identifier: Apache-2.0
//
// Finding, making and using control groups, on a tree of plain files that looks like the
// kernel's. tests/component/adapters/cgroup_test.cc uses the real ones.
#include "spate/adapters/cgroup.h"

#include <gtest/gtest.h>

#include "testing/test_folder.h"

namespace spate::adapters {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class FakeCgroups : public testing::Test {
 protected:
  // /proc/self as a process of `cgroup_lines` under `mounts` would see it.
  void proc(const std::string& mounts, const std::string& cgroup_lines) {
    folder_.write("self/mountinfo", mounts);
    folder_.write("self/cgroup", cgroup_lines);
  }
  std::string v2_mount(const std::string& root = "/") const {
    return "31 24 0:27 " + root + " " + (folder_ / "fs").string() +
           " rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
  }
  std::string v1_mount(const std::string& controller) const {
    return "31 24 0:27 / " + (folder_ / ("fs/" + controller)).string() +
           " rw shared:9 - cgroup cgroup rw," + controller + "\n";
  }
  // The files the kernel would put into a version 2 group.
  void v2_group(const std::string& path, const std::string& delegated) {
    folder_.write("fs/" + path + "/cgroup.subtree_control", delegated);
    folder_.write("fs/" + path + "/cgroup.procs", "");
    folder_.write("fs/" + path + "/cpu.max", "max 100000\n");
    folder_.write("fs/" + path + "/cpu.stat",
                  "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\nnr_periods 40\n"
                  "nr_throttled 30\nthrottled_usec 1500000\nnr_bursts 0\n");
    folder_.write("fs/" + path + "/memory.current", "4096000\n");
  }
  std::string text(const std::string& path) const {
    const auto read = read_file(folder_ / ("fs/" + path));
    EXPECT_TRUE(read);
    return read ? read->substr(0, read->find('\n')) : "";
  }
  CgroupParent::Options options(Duration period = milliseconds(100)) const {
    return {.proc_self = folder_ / "self", .period = period};
  }

  test::TestFolder folder_;
};

TEST_F(FakeCgroups, Version1WinsWhereItsCpuControllerIsMounted) {
  fs::create_directories(folder_ / "fs/cpu/box");
  fs::create_directories(folder_ / "fs/cpuacct");
  proc(v2_mount() + v1_mount("cpu") + v1_mount("cpuacct"), "2:cpuacct:/\n1:cpu:/box\n0::/\n");
  const auto place = find_cgroup_place(folder_ / "self");
  ASSERT_TRUE(place) << place.error().message;
  EXPECT_EQ(place->version, CgroupVersion::V1);
  EXPECT_EQ(place->cpu, folder_ / "fs/cpu/box");
  EXPECT_EQ(place->cpuacct, folder_ / "fs/cpuacct");
}

TEST_F(FakeCgroups, OneMountMayHoldBothControllers) {
  fs::create_directories(folder_ / "fs/cpu,cpuacct");
  proc(v1_mount("cpu,cpuacct"), "4:cpu,cpuacct:/\n");
  const auto place = find_cgroup_place(folder_ / "self");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->cpu, place->cpuacct);
}

TEST_F(FakeCgroups, AContainersMountShowsOnlyItsPart) {
  fs::create_directories(folder_ / "fs/inner");
  proc(v2_mount("/docker/abc"), "0::/docker/abc/inner\n");
  EXPECT_EQ(find_cgroup_place(folder_ / "self")->cpu, folder_ / "fs/inner");
  // From another namespace the path leads out of the mount.
  proc(v2_mount(), "0::/../../elsewhere\n");
  EXPECT_EQ(find_cgroup_place(folder_ / "self")->cpu, folder_ / "fs");
}

TEST_F(FakeCgroups, NoHierarchyIsSaid) {
  proc("31 24 0:27 / /proc rw - proc proc rw\n", "0::/\n");
  const auto place = find_cgroup_place(folder_ / "self");
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().code, ErrorCode::NotFound);
}

TEST_F(FakeCgroups, Version2WritesQuotaAndPeriodAndReadsUsage) {
  v2_group("own", "cpu memory");
  v2_group("own/spate-run", "cpu memory");
  v2_group("own/spate-run/probe", "");
  v2_group("own/spate-run/m-1", "");
  proc(v2_mount(), "0::/own\n");
  auto parent = CgroupParent::open("spate-run", options(milliseconds(10)));
  ASSERT_TRUE(parent) << parent.error().message;
  EXPECT_EQ((*parent)->version(), CgroupVersion::V2);
  auto group = (*parent)->make("m-1");
  ASSERT_TRUE(group) << group.error().message;

  ASSERT_TRUE((*group)->set_cpu_limit(0.35));
  EXPECT_EQ(text("own/spate-run/m-1/cpu.max"), "3500 10000");
  EXPECT_DOUBLE_EQ((*group)->cpu_limit().value(), 0.35);
  ASSERT_TRUE((*group)->set_cpu_limit(0.0));
  EXPECT_EQ(text("own/spate-run/m-1/cpu.max"), "max 10000");
  EXPECT_DOUBLE_EQ((*group)->cpu_limit().value(), 0.0);
  EXPECT_FALSE((*group)->set_cpu_limit(0.001));
  EXPECT_FALSE((*group)->set_cpu_limit(-1.0));

  const auto usage = (*group)->read();
  ASSERT_TRUE(usage);
  EXPECT_DOUBLE_EQ(usage->cpu_seconds, 2.5);
  EXPECT_EQ(usage->periods, 40U);
  EXPECT_EQ(usage->throttled_periods, 30U);
  EXPECT_DOUBLE_EQ(usage->throttled_seconds, 1.5);
  EXPECT_EQ(usage->memory_bytes, 4096000U);

  ASSERT_TRUE((*group)->add(4711));
  EXPECT_EQ(text("own/spate-run/m-1/cgroup.procs"), "4711");
  ASSERT_EQ((*group)->procs_files().size(), 1U);
}

TEST_F(FakeCgroups, Version2AsksForTheControllerAtOurGroup) {
  v2_group("own", "");
  v2_group("own/spate-run", "");
  v2_group("own/spate-run/probe", "");
  proc(v2_mount(), "0::/own\n");
  ASSERT_TRUE(CgroupParent::open("spate-run", options()));
  EXPECT_EQ(text("own/cgroup.subtree_control").substr(0, 4), "+cpu");
  EXPECT_EQ(text("own/spate-run/cgroup.subtree_control").substr(0, 4), "+cpu");
}

TEST_F(FakeCgroups, Version2AsksAgainInAParentThatWasSweptAndMadeAgain) {
  v2_group("own", "cpu");
  v2_group("own/spate-run", "cpu");
  v2_group("own/spate-run/probe", "");
  proc(v2_mount(), "0::/own\n");
  const auto parent = CgroupParent::open("spate-run", options());
  ASSERT_TRUE(parent) << parent.error().message;
  v2_group("own/spate-run", "");  // as the kernel makes a new one
  v2_group("own/spate-run/m-1", "");
  ASSERT_TRUE((*parent)->make("m-1"));
  EXPECT_EQ(text("own/spate-run/cgroup.subtree_control").substr(0, 4), "+cpu");
}

TEST_F(FakeCgroups, Version2ClimbsToWhereItIsAllowed) {
  // Our own group cannot delegate (no such file, as where the kernel refuses); the one above can.
  fs::create_directories(folder_ / "fs/slice/own");
  v2_group("slice", "cpu");
  v2_group("slice/spate-run", "cpu");
  v2_group("slice/spate-run/probe", "");
  proc(v2_mount(), "0::/slice/own\n");
  const auto parent = CgroupParent::open("spate-run", options());
  ASSERT_TRUE(parent) << parent.error().message;
  EXPECT_EQ((*parent)->folder(), folder_ / "fs/slice/spate-run");
}

TEST_F(FakeCgroups, SaysWhyWhenNoPlaceAllowsIt) {
  fs::create_directories(folder_ / "fs/own");
  proc(v2_mount(), "0::/own\n");
  const auto parent = CgroupParent::open("spate-run", options());
  ASSERT_FALSE(parent);
  EXPECT_NE(parent.error().message.find("own/cgroup.subtree_control"), std::string::npos)
      << parent.error().message;
  EXPECT_FALSE(fs::exists(folder_ / "fs/own/spate-run")) << "nothing is left behind";
}

TEST_F(FakeCgroups, Version1WritesQuotaPeriodAndReadsBothControllers) {
  for (const char* replica : {"probe", "m-1"}) {
    const std::string cpu = std::string("fs/cpu/spate-run/") + replica;
    folder_.write(cpu + "/cpu.cfs_quota_us", "-1\n");
    folder_.write(cpu + "/cpu.cfs_period_us", "100000\n");
    folder_.write(cpu + "/cpu.stat", "nr_periods 8\nnr_throttled 4\nthrottled_time 250000000\n");
    folder_.write(cpu + "/cgroup.procs", "");
    folder_.write(std::string("fs/cpuacct/spate-run/") + replica + "/cpuacct.usage",
                  "1500000000\n");
    folder_.write(std::string("fs/cpuacct/spate-run/") + replica + "/cgroup.procs", "");
  }
  proc(v1_mount("cpu") + v1_mount("cpuacct"), "2:cpuacct:/\n1:cpu:/\n");
  auto parent = CgroupParent::open("spate-run", options(milliseconds(50)));
  ASSERT_TRUE(parent) << parent.error().message;
  auto group = (*parent)->make("m-1");
  ASSERT_TRUE(group);
  ASSERT_TRUE((*group)->set_cpu_limit(0.3));
  EXPECT_EQ(text("cpu/spate-run/m-1/cpu.cfs_quota_us"), "15000");
  EXPECT_EQ(text("cpu/spate-run/m-1/cpu.cfs_period_us").substr(0, 5), "50000");
  EXPECT_DOUBLE_EQ((*group)->cpu_limit().value(), 0.3);
  EXPECT_EQ((*group)->procs_files().size(), 2U);
  const auto usage = (*group)->read();
  ASSERT_TRUE(usage);
  EXPECT_DOUBLE_EQ(usage->cpu_seconds, 1.5);
  EXPECT_EQ(usage->throttled_periods, 4U);
  EXPECT_DOUBLE_EQ(usage->throttled_seconds, 0.25);
  EXPECT_FALSE(usage->memory_bytes.has_value());
}

}  // namespace
}  // namespace spate::adapters
