// SPDX-License-Identifier: Apache-2.0
//
// Where a container's control group is, and what its files say: versions 1 and 2, the cgroupfs and
// the systemd driver, on trees of plain files with the content that kernels write.
#include "spate/adapters/docker/container_files.h"

#include <gtest/gtest.h>

#include "testing/test_folder.h"

namespace spate::adapters {
namespace {

const std::string kId(64, 'a');
const std::string kOther = std::string(63, 'a') + "b";

class ContainerFilesTest : public testing::Test {
 protected:
  void v1(const std::string& group) {
    folder_.write("cpuacct/" + group + "/cpuacct.usage", "1500000000\n");
    folder_.write("cpu/" + group + "/cpu.stat",
                  "nr_periods 40\nnr_throttled 7\nthrottled_time 123456\n");
    folder_.write("memory/" + group + "/memory.usage_in_bytes", "30000000\n");
    folder_.write("memory/" + group + "/memory.stat",
                  "cache 12000000\nrss 1\ntotal_rss 18000000\ntotal_inactive_file 10000000\n");
  }
  void v2(const std::string& group) {
    folder_.write("cgroup.controllers", "cpuset cpu io memory pids\n");
    folder_.write(group + "/cpu.stat",
                  "usage_usec 1500000\nuser_usec 1400000\nsystem_usec 100000\nnr_periods 40\n"
                  "nr_throttled 7\nthrottled_usec 123\nnr_bursts 0\nburst_usec 0\n");
    folder_.write(group + "/memory.current", "30000000\n");
    folder_.write(group + "/memory.stat", "anon 18000000\nfile 12000000\ninactive_file 10000000\n");
    folder_.write(group + "/cpu.pressure",
                  "some avg10=1.50 avg60=0.80 avg300=0.10 total=2500000\n"
                  "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    folder_.write(group + "/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=40\n");
  }
  static void expect_read(ContainerFiles& files, bool pressure) {
    const auto usage = files.read(kId);
    ASSERT_TRUE(usage);
    EXPECT_DOUBLE_EQ(usage->cpu_seconds, 1.5);
    EXPECT_EQ(usage->periods, 40U);
    EXPECT_EQ(usage->throttled_periods, 7U);
    EXPECT_EQ(usage->memory_bytes, 20'000'000U) << "without what can be dropped at once";
    EXPECT_EQ(usage->private_bytes, 18'000'000U);
    EXPECT_EQ(usage->cpu_stalled_s.has_value(), pressure);
    if (pressure) {
      EXPECT_DOUBLE_EQ(*usage->cpu_stalled_s, 2.5);
      EXPECT_DOUBLE_EQ(*usage->memory_stalled_s, 40e-6);
    }
  }

  test::TestFolder folder_;
};

TEST_F(ContainerFilesTest, Version1) {
  for (const std::string& group :
       {"docker/" + kId, "system.slice/docker-" + kId + ".scope", "some/where/deep/" + kId}) {
    v1(group);
    ContainerFiles files(folder_.path());
    EXPECT_EQ(files.version(), 1);
    expect_read(files, false);
    EXPECT_FALSE(files.read(kOther));
    for (const char* tree : {"cpu", "cpuacct", "memory"}) {
      std::filesystem::remove_all(folder_ / tree);
    }
    EXPECT_FALSE(files.read(kId)) << "it has ended";
  }
}

TEST_F(ContainerFilesTest, Version1WithControllersMountedTogether) {
  v1("docker/" + kId);
  folder_.write("cpu,cpuacct/docker/" + kId + "/cpuacct.usage", "1500000000\n");
  folder_.write("cpu,cpuacct/docker/" + kId + "/cpu.stat",
                "nr_periods 40\nnr_throttled 7\nthrottled_time 123456\n");
  std::filesystem::remove_all(folder_ / "cpu");
  std::filesystem::remove_all(folder_ / "cpuacct");
  ContainerFiles files(folder_.path());
  expect_read(files, false);
}

TEST_F(ContainerFilesTest, Version2) {
  for (const std::string& group :
       {"docker/" + kId, "system.slice/docker-" + kId + ".scope",
        "user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + kId + ".scope"}) {
    v2(group);
    ContainerFiles files(folder_.path());
    EXPECT_EQ(files.version(), 2);
    expect_read(files, true);
    EXPECT_FALSE(files.read(kOther));
    std::filesystem::remove_all(folder_ / group);
    EXPECT_FALSE(files.read(kId)) << "it has ended";
  }
}

TEST_F(ContainerFilesTest, FindsTheNextOneBesideTheFirst) {
  v2("docker/" + kId);
  ContainerFiles files(folder_.path());
  ASSERT_TRUE(files.read(kId));
  folder_.write("docker/" + kOther + "/cpu.stat", "usage_usec 7000000\n");
  const auto usage = files.read(kOther);
  ASSERT_TRUE(usage);
  EXPECT_DOUBLE_EQ(usage->cpu_seconds, 7.0);
  EXPECT_FALSE(usage->cpu_stalled_s) << "a kernel without pressure figures";
}

TEST_F(ContainerFilesTest, AFolderWithoutControlGroupsHasNone) {
  ContainerFiles files(folder_.path());
  EXPECT_EQ(files.version(), 0);
  EXPECT_FALSE(files.read(kId));
}

TEST_F(ContainerFilesTest, OurOwnGroupAloneShowsNoOther) {
  // What a container without the host's tree mounted sees.
  folder_.write("cgroup.controllers", "cpu memory\n");
  folder_.write("cpu.stat", "usage_usec 1\n");
  ContainerFiles files(folder_.path());
  EXPECT_EQ(files.version(), 2);
  EXPECT_FALSE(files.read(kId));
}

}  // namespace
}  // namespace spate::adapters
