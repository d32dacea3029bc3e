// SPDX-License-Identifier: Apache-2.0
//
// DutyCycle, concurrency_for, CpuLimitSources, CgroupLimit and container_id.
#include <gtest/gtest.h>

#include "spate/base/files.h"
#include "spate/worker/cgroup_limit.h"
#include "spate/worker/container_id.h"
#include "spate/worker/cpu_limit.h"
#include "spate/worker/duty_cycle.h"
#include "testing/test_folder.h"

namespace spate::worker {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours(1)};

TEST(DutyCycle, PausesForTheRestOfTheCallsShare) {
  DutyCycle duty;
  duty.set_limit(0.3, kStart);
  duty.on_cpu_time(seconds(9), kStart);  // the baseline: not charged
  EXPECT_EQ(duty.ready_at(kStart), kStart);
  // A full bucket holds 30 ms of CPU: it pays for most of the first call of 45 ms, whose own
  // 45 ms bring nothing in, the bucket being full.
  TimePoint now = kStart + milliseconds(45);
  duty.on_cpu_time(seconds(9) + milliseconds(45), now);
  EXPECT_EQ(duty.ready_at(now), now + milliseconds(50));
  // From then on 45 ms of CPU take 150 ms: after the call a pause of 105 ms.
  now += milliseconds(50) + milliseconds(45);
  duty.on_cpu_time(seconds(9) + milliseconds(90), now);
  EXPECT_NEAR(to_ms(duty.ready_at(now) - now), 105.0, 1e-3);
}

TEST(DutyCycle, ARaisedLimitShortensThePauseAndNoLimitEndsIt) {
  DutyCycle duty;
  duty.set_limit(0.1, kStart);
  duty.on_cpu_time(milliseconds(0), kStart);
  duty.on_cpu_time(milliseconds(100), kStart);
  EXPECT_NEAR(to_ms(duty.ready_at(kStart) - kStart), 900.0, 1e-3);
  duty.set_limit(0.9, kStart);
  EXPECT_NEAR(to_ms(duty.ready_at(kStart) - kStart), 100.0, 1e-3);
  duty.set_limit(0.0, kStart);
  EXPECT_EQ(duty.ready_at(kStart), kStart);
}

TEST(DutyCycle, IdleTimeSavesUpOnePeriodAtMost) {
  DutyCycle duty(milliseconds(100));
  duty.set_limit(0.5, kStart);
  duty.on_cpu_time(milliseconds(0), kStart);
  const TimePoint later = kStart + std::chrono::minutes(10);
  EXPECT_EQ(duty.ready_at(later), later);
  duty.on_cpu_time(milliseconds(50), later);
  EXPECT_EQ(duty.ready_at(later), later) << "the bucket is empty, not in debt";
  duty.on_cpu_time(milliseconds(51), later);
  EXPECT_NEAR(to_ms(duty.ready_at(later) - later), 2.0, 1e-3);
}

TEST(DutyCycle, ALoweredLimitLowersWhatWasSaved) {
  DutyCycle duty(milliseconds(100));
  duty.set_limit(1.0, kStart);
  duty.on_cpu_time(milliseconds(0), kStart);
  duty.set_limit(0.1, kStart);
  duty.on_cpu_time(milliseconds(11), kStart);
  EXPECT_NEAR(to_ms(duty.ready_at(kStart) - kStart), 10.0, 1e-3);
}

TEST(CpuLimit, ThroughputTakesWholeCpusAsCalls) {
  const auto calls = [](double limit, int machine) {
    return concurrency_for(Mode::Throughput, limit, machine);
  };
  EXPECT_EQ(calls(0.3, 8), (Concurrency{1, 1}));
  EXPECT_EQ(calls(1.99, 8), (Concurrency{1, 1}));
  EXPECT_EQ(calls(1.99999, 8), (Concurrency{2, 1})) << "2 CPUs, as a quota of microseconds has it";
  EXPECT_EQ(calls(2.0, 8), (Concurrency{2, 1}));
  EXPECT_EQ(calls(0.0, 8), (Concurrency{8, 1})) << "no limit";
  EXPECT_EQ(calls(16.0, 8), (Concurrency{8, 1}));
  EXPECT_EQ(calls(1e300, 8), (Concurrency{8, 1}));
}

TEST(CpuLimit, LatencyTakesThemAsThreadsOfOneCall) {
  EXPECT_EQ(concurrency_for(Mode::Latency, 0.3, 8), (Concurrency{1, 1}));
  EXPECT_EQ(concurrency_for(Mode::Latency, 2.5, 8), (Concurrency{1, 2}));
  EXPECT_EQ(concurrency_for(Mode::Latency, 0.0, 8), (Concurrency{1, 8}));
}

TEST(CpuLimit, TheCgroupGoesBeforeWhatWasSaid) {
  CpuLimitSources limit(0.3);
  EXPECT_EQ(limit.cpus(), 0.3);
  limit.observe_cgroup(std::nullopt);
  EXPECT_EQ(limit.cpus(), 0.3);
  limit.observe_cgroup(0.0);
  EXPECT_EQ(limit.cpus(), 0.3) << "a cgroup without a limit says nothing";
  limit.observe_cgroup(0.9);
  EXPECT_EQ(limit.cpus(), 0.9) << "raised from outside";
  limit.announce(0.2, false);
  EXPECT_EQ(limit.cpus(), 0.9);
  limit.announce(0.2, true);
  EXPECT_EQ(limit.cpus(), 0.2) << "the smaller one, when it must be kept by duty cycle";
  limit.announce(2.0, true);
  EXPECT_EQ(limit.cpus(), 0.9);
  limit.announce(0.0, false);
  limit.observe_cgroup(0.0);
  EXPECT_EQ(limit.cpus(), 0.0);
}

TEST(CgroupLimit, ReadsBothVersionsOfTheFiles) {
  EXPECT_EQ(parse_cpu_max("max 100000\n"), 0.0);
  EXPECT_EQ(parse_cpu_max("30000 100000\n"), 0.3);
  EXPECT_EQ(parse_cpu_max("250000 100000"), 2.5);
  for (const char* bad : {"", "max", "30000", "x 100000", "30000 0", "-1 100000", "1 2 3"}) {
    EXPECT_FALSE(parse_cpu_max(bad)) << bad;
  }
  EXPECT_EQ(parse_cfs("-1\n", "100000\n"), 0.0);
  EXPECT_EQ(parse_cfs("90000\n", "100000\n"), 0.9);
  EXPECT_FALSE(parse_cfs("0", "100000"));
  EXPECT_FALSE(parse_cfs("", "100000"));
  EXPECT_FALSE(parse_cfs("90000", "0"));
}

// A made-up /proc/self and cgroup tree.
class CgroupTree : public ::testing::Test {
 protected:
  void file(const std::string& path, const std::string& text) { root_.write(path, text); }
  void mount(const std::string& root, const std::string& point, const std::string& rest) {
    mounts_ += "31 23 0:28 " + root + " " + (root_ / point).string() + " rw - " + rest + "\n";
    file("proc/mountinfo", "1 1 8:1 / / rw - ext4 /dev/vda rw\n" + mounts_);
  }

  const test::TestFolder root_;  // of this test: tests run beside each other
  std::string mounts_;
};

TEST_F(CgroupTree, TakesTheSmallestLimitOnTheWayUp) {
  mount("/", "cg", "cgroup2 cgroup2 rw");
  file("proc/cgroup", "0::/spate/resnet50-1\n");
  file("cg/spate/cpu.max", "max 100000\n");
  file("cg/spate/resnet50-1/cpu.max", "30000 100000\n");
  CgroupLimit limit(root_ / "proc");
  EXPECT_EQ(limit.read(), 0.3);
  file("cg/spate/resnet50-1/cpu.max", "90000 100000\n");
  EXPECT_EQ(limit.read(), 0.9) << "raised from outside";
  file("cg/spate/cpu.max", "50000 100000\n");
  EXPECT_EQ(limit.read(), 0.5) << "the parent's is the smaller one";
  file("cg/spate/cpu.max", "max 100000\n");
  file("cg/spate/resnet50-1/cpu.max", "max 100000\n");
  EXPECT_EQ(limit.read(), 0.0);
}

TEST_F(CgroupTree, FollowsTheProcessToAnotherGroup) {
  mount("/", "cg", "cgroup cgroup rw,cpu,cpuacct");
  file("proc/cgroup", "3:cpuset:/\n2:cpu,cpuacct:/\n0::/\n");
  file("cg/spate/r1/cpu.cfs_quota_us", "30000\n");
  file("cg/spate/r1/cpu.cfs_period_us", "100000\n");
  CgroupLimit limit(root_ / "proc");
  EXPECT_EQ(limit.read(), std::nullopt) << "the root group has no quota";
  file("proc/cgroup", "3:cpuset:/\n2:cpu,cpuacct:/spate/r1\n0::/\n");
  EXPECT_EQ(limit.read(), 0.3);
  file("cg/spate/r1/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(limit.read(), 0.0);
}

TEST_F(CgroupTree, FindsItsPlaceInsideAContainer) {
  // Version 1 without a cgroup namespace: the path is the host's, the mount the container's part.
  mount("/docker/c0ffee", "cg", "cgroup cgroup rw,cpu,cpuacct");
  file("proc/cgroup", "2:cpu,cpuacct:/docker/c0ffee\n");
  file("cg/cpu.cfs_quota_us", "150000\n");
  file("cg/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(CgroupLimit(root_ / "proc").read(), 1.5);
}

TEST_F(CgroupTree, WithoutAnythingToReadThereIsNoAnswer) {
  EXPECT_EQ(CgroupLimit(root_ / "proc").read(), std::nullopt);
  file("proc/cgroup", "0::/x\n");
  EXPECT_EQ(CgroupLimit(root_ / "proc").read(), std::nullopt);
}

TEST_F(CgroupTree, NamesTheContainer) {
  const std::string id(64, 'a');
  EXPECT_EQ(find_container_id("0::/docker/" + id + "/x"), id);
  EXPECT_EQ(find_container_id("0::/docker/" + id + "a"), "") << "65 digits are something else";
  file("proc/cgroup", "0::/\n");
  file("proc/mountinfo", "1 1 8:1 /var/lib/docker/containers/" + id +
                             "/hostname /etc/hostname rw - ext4 /dev/vda rw\n");
  EXPECT_EQ(container_id(root_ / "proc"), id);
  file("proc/mountinfo", "1 1 8:1 / / rw - ext4 /dev/vda rw\n");
  EXPECT_EQ(container_id(root_ / "proc"), "");
}

}  // namespace
}  // namespace spate::worker
