// SPDX-License-Identifier: Apache-2.0
//
// Both ways of measuring containers, against a real engine.
#include "spate/adapters/docker/container_meter.h"

#include <gmock/gmock.h>

#include "component/docker/docker_world.h"

namespace spate::adapters {
namespace {

using scaling::ReplicaEvent;
using std::chrono::seconds;
using test::DockerWorld;

class ContainerMeterTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = world_.make();
    ASSERT_TRUE(made) << made.error().message;
    actuator_ = std::move(made.value());
    actuator_->set_event_handler([this](const ReplicaEvent& event) { events_.push_back(event); });
    ASSERT_TRUE(actuator_->start(DockerWorld::spec("m-1", "busy")));
    ASSERT_TRUE(happened(ReplicaEvent::Kind::Started));
    ASSERT_TRUE(actuator_->set_cpu_limit("m-1", 0.2));
    ASSERT_TRUE(happened(ReplicaEvent::Kind::LimitApplied));
  }
  bool happened(ReplicaEvent::Kind kind) {
    return world_.loop().run_until([&] {
      for (const auto& event : events_) {
        if (event.kind == kind) return true;
      }
      return false;
    });
  }
  ContainerMeter::Options options(std::string how, std::string root = "/sys/fs/cgroup") const {
    return {.engine = world_.options.engine, .how = std::move(how), .cgroup_root = std::move(root)};
  }
  // It is busy beyond its limit: CPU time goes up, and periods are cut short.
  void expect_measures(ContainerMeter& meter) {
    ComponentReading worker;
    double first = -1.0;
    const bool seen = world_.loop().run_until([&] {
      for (const auto& reading : meter.read_all(actuator_->list())) {
        if (reading.component == "worker") worker = reading;
      }
      if (first < 0.0 && worker.cpu_seconds > 0.0) first = worker.cpu_seconds;
      return first > 0.0 && worker.cpu_seconds > first && worker.cfs_throttled_periods > 0;
    });
    ASSERT_TRUE(seen) << "CPU " << worker.cpu_seconds << " s, throttled "
                      << worker.cfs_throttled_periods;
    EXPECT_EQ(worker.model, "m");
    EXPECT_EQ(worker.replica, "m-1");
    EXPECT_GT(worker.memory_bytes, 0U);
    EXPECT_GE(worker.cfs_periods, worker.cfs_throttled_periods);
    const auto cpu = meter.read_worker_cpu(actuator_->list()[0]);
    ASSERT_TRUE(cpu);
    EXPECT_EQ(cpu->id, "m-1");
    EXPECT_GE(cpu->cpu_seconds, worker.cpu_seconds);
    // No container of the owner's is the gateway: it is read as the process it is here.
    const auto all = meter.read_all(actuator_->list());
    EXPECT_THAT(all, testing::Contains(testing::Field(&ComponentReading::component, "gateway")));
  }

  DockerWorld world_;
  std::unique_ptr<DockerActuator> actuator_;
  std::vector<ReplicaEvent> events_;
};

TEST_F(ContainerMeterTest, ByTheFilesOfControlGroups) {
  ContainerMeter meter(world_.loop().io, *actuator_, options("auto"));
  EXPECT_EQ(meter.source(), "undecided");
  expect_measures(meter);
  EXPECT_EQ(meter.source(), "cgroup_v" + actuator_->engine().cgroup_version);
}

TEST_F(ContainerMeterTest, ByTheEnginesStatistics) {
  ContainerMeter meter(world_.loop().io, *actuator_, options("stats"));
  expect_measures(meter);
  EXPECT_EQ(meter.source(), "engine_stats");
}

TEST_F(ContainerMeterTest, WhereTheHostsGroupsAreNotToBeSeenItFallsBack) {
  world_.folder.write("groups/cgroup.controllers", "cpu memory\n");
  ContainerMeter meter(world_.loop().io, *actuator_,
                       options("auto", (world_.folder / "groups").string()));
  expect_measures(meter);
  EXPECT_EQ(meter.source(), "engine_stats");
}

TEST_F(ContainerMeterTest, AStreamEndsWithItsContainer) {
  ContainerMeter meter(world_.loop().io, *actuator_, options("stats"));
  expect_measures(meter);
  const auto replica = actuator_->list()[0];
  ASSERT_TRUE(actuator_->stop("m-1", seconds(5)));
  ASSERT_TRUE(happened(ReplicaEvent::Kind::Exited));
  EXPECT_TRUE(world_.loop().run_until([&] { return !meter.read_worker_cpu(replica); }));
}

}  // namespace
}  // namespace spate::adapters
