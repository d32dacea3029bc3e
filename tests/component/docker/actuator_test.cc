// SPDX-License-Identifier: Apache-2.0
//
// What is the docker actuator's own; conformance_test.cc has what every actuator keeps.
#include <gmock/gmock.h>

#include <fstream>

#include "component/docker/docker_world.h"

namespace spate::adapters {
namespace {

using scaling::ReplicaEvent;
using scaling::ReplicaInfo;
using std::chrono::seconds;
using test::docker;
using test::DockerWorld;

class DockerActuatorTest : public testing::Test {
 protected:
  void begin() {
    auto made = world_.make();
    ASSERT_TRUE(made) << made.error().message;
    actuator_ = std::move(made.value());
    actuator_->set_event_handler([this](const ReplicaEvent& event) { events_.push_back(event); });
  }
  const ReplicaEvent* wait_for(ReplicaEvent::Kind kind, const std::string& id) {
    const ReplicaEvent* found = nullptr;
    world_.loop().run_until([&] {
      for (const auto& event : events_) {
        if (event.kind == kind && event.replica_id == id) found = &event;
      }
      return found != nullptr;
    });
    return found;
  }
  ReplicaInfo start(const std::string& id, const std::string& behaviour = "serve") {
    const Status started = actuator_->start(DockerWorld::spec(id, behaviour));
    EXPECT_TRUE(started) << started.error().message;
    EXPECT_NE(wait_for(ReplicaEvent::Kind::Started, id), nullptr);
    for (const auto& info : actuator_->list()) {
      if (info.replica_id == id) return info;
    }
    ADD_FAILURE() << id << " is not listed";
    return {};
  }
  bool becomes(const ReplicaInfo& replica, const std::string& state) {
    return world_.loop().run_until([&] {
      return docker("inspect --format '{{.State.Status}}' " + replica.container_id, true) == state;
    });
  }

  DockerWorld world_;
  std::unique_ptr<DockerActuator> actuator_;
  std::vector<ReplicaEvent> events_;
};

TEST_F(DockerActuatorTest, AWorkerHasOnlyWhatItNeeds) {
  world_.options.memory_bytes = 64 << 20;
  world_.options.user = "12345:12345";
  world_.options.labels = {{"further", "one"}};
  begin();
  const ReplicaInfo replica = start("m-1");
  const auto field = [&](const std::string& name) {
    return docker("inspect --format '{{json ." + name + "}}' " + replica.container_id);
  };
  EXPECT_EQ(field("HostConfig.ReadonlyRootfs"), "true");
  EXPECT_EQ(field("HostConfig.Memory"), std::to_string(64 << 20));
  EXPECT_EQ(field("HostConfig.NetworkMode"), "\"none\"");
  EXPECT_EQ(field("HostConfig.CapDrop"), "[\"ALL\"]");
  EXPECT_EQ(field("Config.User"), "\"12345:12345\"");
  EXPECT_EQ(field("HostConfig.NanoCpus"), "0") << "it starts without a limit";
  const std::string labels = field("Config.Labels");
  EXPECT_THAT(labels, testing::HasSubstr("\"spate.owner\":\"" + world_.options.owner + "\""));
  EXPECT_THAT(labels, testing::HasSubstr("\"spate.run\":\"" + world_.options.run_id + "\""));
  EXPECT_THAT(labels, testing::HasSubstr("\"spate.model\":\"m\""));
  EXPECT_THAT(labels, testing::HasSubstr("\"spate.replica\":\"m-1\""));
  EXPECT_THAT(labels, testing::HasSubstr("\"further\":\"one\""));
  EXPECT_EQ(std::to_string(replica.pid), field("State.Pid"));
}

TEST_F(DockerActuatorTest, StartedSaysWhatTheEngineTook) {
  begin();
  start("m-1");
  const ReplicaEvent* started = wait_for(ReplicaEvent::Kind::Started, "m-1");
  ASSERT_EQ(started->phases.size(), 2U);
  EXPECT_EQ(started->phases[0].first, "create_ms");
  EXPECT_GT(started->phases[0].second, 0.0);
  EXPECT_EQ(started->phases[1].first, "start_ms");
  EXPECT_GT(started->phases[1].second, 0.0);
}

TEST_F(DockerActuatorTest, AnEndInOrderDrainsAndKeepsTheLog) {
  begin();
  start("m-1");
  ASSERT_TRUE(actuator_->stop("m-1", seconds(20)));
  const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(exited, nullptr);
  EXPECT_TRUE(exited->expected);
  EXPECT_EQ(exited->detail, "exit status 0");
  std::ifstream log(world_.folder / "logs/worker-m-1.log");
  const std::string text{std::istreambuf_iterator<char>(log), {}};
  EXPECT_EQ(text, "this is serve\ndrained\n");
}

TEST_F(DockerActuatorTest, WhoIgnoresSigtermIsKilledAfterItsGrace) {
  begin();
  start("m-1", "stubborn");
  ASSERT_TRUE(actuator_->stop("m-1", seconds(1)));
  const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(exited, nullptr);
  EXPECT_TRUE(exited->expected);
  EXPECT_EQ(exited->detail, "killed by signal 9 (SIGKILL)");
}

TEST_F(DockerActuatorTest, ParksAndGoesOn) {
  begin();
  const ReplicaInfo replica = start("m-1");
  ASSERT_TRUE(actuator_->park("m-1"));
  ASSERT_NE(wait_for(ReplicaEvent::Kind::Parked, "m-1"), nullptr);
  EXPECT_TRUE(actuator_->list()[0].parked);
  EXPECT_TRUE(becomes(replica, "paused"));
  ASSERT_TRUE(actuator_->unpark("m-1"));
  ASSERT_NE(wait_for(ReplicaEvent::Kind::Unparked, "m-1"), nullptr);
  EXPECT_FALSE(actuator_->list()[0].parked);
  EXPECT_TRUE(becomes(replica, "running"));
  EXPECT_FALSE(actuator_->park("m-2")) << "no such replica";
}

TEST_F(DockerActuatorTest, AParkedOneIsAdoptedAsSuchAndDrainsWhenItIsStopped) {
  begin();
  start("m-1");
  ASSERT_TRUE(actuator_->park("m-1"));
  ASSERT_NE(wait_for(ReplicaEvent::Kind::Parked, "m-1"), nullptr);
  begin();
  ASSERT_EQ(actuator_->list().size(), 1U);
  EXPECT_TRUE(actuator_->list()[0].parked);
  ASSERT_TRUE(actuator_->stop("m-1", seconds(20)));
  const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(exited, nullptr);
  EXPECT_EQ(exited->detail, "exit status 0");
}

// Two that leave their network at the same time can lock up an engine before 23 for good.
TEST_F(DockerActuatorTest, SeveralStopsGoOneByOneWhereTheEngineNeedsIt) {
  begin();
  const std::vector<std::string> replicas{"m-1", "m-2", "m-3"};
  for (const auto& id : replicas) start(id);
  for (const auto& id : replicas) ASSERT_TRUE(actuator_->stop(id, seconds(20)));
  for (const auto& id : replicas) {
    const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, id);
    ASSERT_NE(exited, nullptr) << id;
    EXPECT_TRUE(exited->expected);
  }
  // The engine's own record of what it did, in its order; up to now rounded up to a second.
  std::istringstream events(
      docker("events --since 5m --until=-1s --filter type=container --filter event=kill --filter "
             "event=die --filter "
             "label=spate.run=" +
             world_.options.run_id + " --format {{.Action}}"));
  std::vector<std::string> actions;
  for (std::string action; events >> action;) actions.push_back(action);
  ASSERT_EQ(actions.size(), 6U);
  const std::string version = docker("version --format {{.Server.Version}}");
  if (!leaves_one_by_one(version)) return;
  EXPECT_EQ(actions, (std::vector<std::string>{"kill", "die", "kill", "die", "kill", "die"}));
}

TEST_F(DockerActuatorTest, StoppedBeforeItWasStarted) {
  begin();
  ASSERT_TRUE(actuator_->start(DockerWorld::spec("m-1", "serve")));
  ASSERT_TRUE(actuator_->stop("m-1", seconds(5)));
  const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(exited, nullptr);
  EXPECT_TRUE(exited->expected);
  EXPECT_TRUE(world_.left_behind().empty());
}

TEST_F(DockerActuatorTest, RemovesOrphansOfItsOwnerAndTouchesNoOther) {
  const std::string image = std::string(" ") + test::kTestImage + " worker --model /serve";
  const auto run = [&](const std::string& labels) {
    return docker("run -d --network none " + labels + image);
  };
  const std::string mine = "--label spate.owner=" + world_.options.owner;
  const std::string orphan =
      run(mine + " --label spate.run=an-earlier-one --label spate.component=worker");
  const std::string dead = docker("create " + mine + " --label spate.component=worker --label " +
                                  "spate.run=" + world_.options.run_id + image);
  const std::string foreign =
      run("--label spate.owner=somebody --label spate.run=an-earlier-one "
          "--label spate.component=worker");
  const std::string unlabelled = run("");
  const std::string neighbour = run(mine + " --label spate.component=broker");
  begin();
  EXPECT_TRUE(actuator_->list().empty());
  EXPECT_EQ(docker("ps -aq --no-trunc --filter id=" + orphan), "");
  EXPECT_EQ(docker("ps -aq --no-trunc --filter id=" + dead), "");
  for (const auto& id : {foreign, unlabelled, neighbour}) {
    EXPECT_EQ(docker("inspect --format '{{.State.Running}}' " + id), "true");
  }
  EXPECT_TRUE(world_.loop().run_until([&] { return !actuator_->neighbours().empty(); }));
  EXPECT_EQ(actuator_->neighbours().at("broker"), neighbour);
  docker("kill " + neighbour);
  EXPECT_TRUE(world_.loop().run_until([&] { return actuator_->neighbours().empty(); }));
  docker("rm -f " + foreign + " " + unlabelled);
}

}  // namespace
}  // namespace spate::adapters
