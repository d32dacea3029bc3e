// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong with engines and containers: a clear message, and a sane state afterwards.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "component/docker/docker_world.h"

namespace spate::adapters {
namespace {

using scaling::ReplicaEvent;
using scaling::ReplicaInfo;
using std::chrono::seconds;
using test::docker;
using test::DockerWorld;
using testing::HasSubstr;

class DockerFaults : public testing::Test {
 protected:
  void begin() {
    auto made = world_.make();
    ASSERT_TRUE(made) << made.error().message;
    actuator_ = std::move(made.value());
    actuator_->set_event_handler([this](const ReplicaEvent& event) { events_.push_back(event); });
  }
  std::string why_not() {
    const auto made = world_.make();
    return made ? "it began" : made.error().message;
  }
  bool wait(const std::function<bool()>& done) {
    return world_.loop().run_until(done, seconds(40));
  }
  const ReplicaEvent* wait_for(ReplicaEvent::Kind kind, const std::string& id) {
    const ReplicaEvent* found = nullptr;
    wait([&] {
      for (const auto& event : events_) {
        if (event.kind == kind && event.replica_id == id) found = &event;
      }
      return found != nullptr;
    });
    return found;
  }
  void start(const std::string& id, const std::string& behaviour = "serve") {
    const Status started = actuator_->start(DockerWorld::spec(id, behaviour));
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_NE(wait_for(ReplicaEvent::Kind::Started, id), nullptr);
  }

  DockerWorld world_;
  std::unique_ptr<DockerActuator> actuator_;
  std::vector<ReplicaEvent> events_;
};

TEST_F(DockerFaults, NoEngine) {
  world_.options.engine.socket = (world_.folder / "none.sock").string();
  EXPECT_THAT(why_not(), HasSubstr("no Docker engine answers at " + world_.options.engine.socket));
}

TEST_F(DockerFaults, NoPermission) {
  // As a user who is not in the socket's group: in a child, which tells by its status.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(9);
    const std::string why = why_not();
    const bool clear =
        why.find("permission denied on " + world_.options.engine.socket) != std::string::npos &&
        why.find("group that owns the socket") != std::string::npos;
    ::_exit(clear ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "9: it could not become another user";
}

TEST_F(DockerFaults, NoImage) {
  world_.options.image = "no-such-image:1";
  EXPECT_THAT(why_not(), HasSubstr("the Docker engine has no image no-such-image:1"));
}

TEST_F(DockerFaults, AContainerThatDiesAtOnceTellsWhy) {
  begin();
  ASSERT_TRUE(actuator_->start(DockerWorld::spec("m-1", "fails")));
  const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(exited, nullptr);
  EXPECT_FALSE(exited->expected);
  EXPECT_EQ(exited->detail, "exit status 3; it last said: the model cannot be read");
  EXPECT_TRUE(actuator_->list().empty());
  EXPECT_TRUE(world_.left_behind().empty());
}

TEST_F(DockerFaults, AProgramThatIsNotThereTellsWhy) {
  docker(std::string("image tag ") + test::kTestImage + " spate-test-broken");
  const std::string broken = "spate-test-broken";
  docker("rm -f " + broken, true);
  docker("create --name " + broken + " --network none --entrypoint /no/such/program " +
         test::kTestImage);
  docker("commit --change 'ENTRYPOINT [\"/no/such/program\"]' " + broken + " " + broken);
  docker("rm -f " + broken);
  world_.options.image = broken;
  begin();
  ASSERT_TRUE(actuator_->start(DockerWorld::spec("m-1", "serve")));
  const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(exited, nullptr);
  EXPECT_THAT(exited->detail, HasSubstr("/no/such/program"));
  EXPECT_TRUE(actuator_->list().empty());
  EXPECT_TRUE(wait([&] { return world_.left_behind().empty(); }));
  docker("rmi -f " + broken);
}

TEST_F(DockerFaults, WhoNeedsMoreMemoryThanItsLimitIsSaidToHave) {
  world_.options.memory_bytes = 32 << 20;
  begin();
  ASSERT_TRUE(actuator_->start(DockerWorld::spec("m-1", "hungry")));
  const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(exited, nullptr);
  EXPECT_FALSE(exited->expected);
  EXPECT_EQ(exited->detail, "killed: it needed more than its memory limit of 32 MiB");
}

TEST_F(DockerFaults, ALimitAboveTheMachineIsCutToIt) {
  begin();
  start("m-1");
  ASSERT_TRUE(actuator_->set_cpu_limit("m-1", 512.0));
  const ReplicaEvent* applied = wait_for(ReplicaEvent::Kind::LimitApplied, "m-1");
  ASSERT_NE(applied, nullptr);
  EXPECT_THAT(applied->detail, HasSubstr("512 CPU is more than the engine's machine has"));
  EXPECT_EQ(actuator_->list()[0].cpu_limit, test::engine_cpus());
  EXPECT_EQ(world_.announced["m-1"], test::engine_cpus());
}

TEST_F(DockerFaults, AContainerRemovedByHandIsGoneAndItsNameFree) {
  begin();
  start("m-1");
  docker("rm -f " + actuator_->list()[0].container_id);
  const ReplicaEvent* exited = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(exited, nullptr);
  EXPECT_FALSE(exited->expected);
  EXPECT_FALSE(exited->detail.empty());
  EXPECT_TRUE(actuator_->list().empty());
  events_.clear();
  start("m-1");
}

TEST_F(DockerFaults, AnEngineThatIsRestartedTakesItsContainersAlong) {
  begin();
  start("m-1");
  start("m-2");
  EXPECT_TRUE(wait([&] { return actuator_->connected(); }));
  test::end_engine();
  ASSERT_TRUE(wait([&] { return !actuator_->connected(); }));
  const Status refused = actuator_->start(world_.spec("m-3"));
  ASSERT_FALSE(refused) << "nothing can be started without an engine";
  EXPECT_THAT(refused.error().message, HasSubstr("Docker engine"));
  EXPECT_TRUE(actuator_->stop("m-2", seconds(1))) << "is done when it is back";
  test::start_engine();
  const ReplicaEvent* one = wait_for(ReplicaEvent::Kind::Exited, "m-1");
  ASSERT_NE(one, nullptr);
  EXPECT_FALSE(one->expected);
  ASSERT_NE(wait_for(ReplicaEvent::Kind::Exited, "m-2"), nullptr);
  EXPECT_TRUE(actuator_->connected());
  EXPECT_TRUE(actuator_->list().empty());
  EXPECT_TRUE(world_.left_behind().empty());
  start("m-3");
  ASSERT_TRUE(actuator_->stop("m-3", seconds(5)));
  ASSERT_NE(wait_for(ReplicaEvent::Kind::Exited, "m-3"), nullptr) << "its events are followed";
}

}  // namespace
}  // namespace spate::adapters
