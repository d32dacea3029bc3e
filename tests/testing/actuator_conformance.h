// SPDX-License-Identifier: Apache-2.0
//
// What every actuator must keep, against its real engine. An engine takes part with an
// ActuatorWorld and one line:
//
//   INSTANTIATE_TEST_SUITE_P(Process, ActuatorConformance, testing::Values(ActuatorCase{
//       "process", [] { return std::make_unique<ProcessWorld>(); }}));
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spate/scaling/actuator.h"
#include "testing/loop.h"

namespace spate::scaling {

// One run of one engine.
class ActuatorWorld {
 public:
  virtual ~ActuatorWorld() = default;
  virtual test::Loop& loop() = 0;
  // An actuator for this run; a second one is the restarted gateway's.
  virtual Result<std::unique_ptr<Actuator>> make() = 0;
  virtual ReplicaSpec spec(const std::string& replica) = 0;
  // Whether the replica's process, container or pod really exists.
  virtual bool exists(const ReplicaInfo& replica) = 0;
  // Ends it behind the actuator's back.
  virtual void kill(const ReplicaInfo& replica) = 0;
  // The limit that the engine says is in force; nothing where no engine enforces it.
  virtual std::optional<double> limit_in_force(const ReplicaInfo& replica) = 0;
  // Whether the engine says that it is paused; nothing where it cannot be asked.
  virtual std::optional<bool> paused(const ReplicaInfo& replica) {
    (void)replica;
    return std::nullopt;
  }
  // What the engine holds for this run beyond replicas (groups, networks): none at the end.
  virtual std::vector<std::string> left_behind() = 0;
};

struct ActuatorCase {
  std::string name;
  std::function<std::unique_ptr<ActuatorWorld>()> make;
};
inline std::ostream& operator<<(std::ostream& out, const ActuatorCase& c) { return out << c.name; }

class ActuatorConformance : public testing::TestWithParam<ActuatorCase> {
 protected:
  void SetUp() override {
    world_ = GetParam().make();
    take_actuator();
  }
  void TearDown() override {
    if (!actuator_) return;
    for (const auto& info : actuator_->list()) stop_and_wait(info.replica_id);
  }

  void take_actuator() {
    actuator_.reset();
    auto made = world_->make();
    ASSERT_TRUE(made) << made.error().message;
    actuator_ = std::move(made.value());
    actuator_->set_event_handler([this](const ReplicaEvent& event) { events_.push_back(event); });
  }
  bool wait(const std::function<bool()>& done) { return world_->loop().run_until(done); }
  const ReplicaEvent* find(ReplicaEvent::Kind kind, const std::string& id) const {
    for (const auto& event : events_) {
      if (event.kind == kind && event.replica_id == id) return &event;
    }
    return nullptr;
  }
  bool wait_for(ReplicaEvent::Kind kind, const std::string& id) {
    return wait([&] { return find(kind, id) != nullptr; });
  }
  std::optional<ReplicaInfo> listed(const std::string& id) const {
    for (const auto& info : actuator_->list()) {
      if (info.replica_id == id) return info;
    }
    return std::nullopt;
  }
  ReplicaInfo start(const std::string& id) {
    const Status started = actuator_->start(world_->spec(id));
    EXPECT_TRUE(started) << started.error().message;
    EXPECT_TRUE(wait_for(ReplicaEvent::Kind::Started, id));
    return listed(id).value_or(ReplicaInfo{});
  }
  void stop_and_wait(const std::string& id) {
    EXPECT_TRUE(actuator_->stop(id, std::chrono::seconds(5)));
    EXPECT_TRUE(wait([&] { return !listed(id).has_value(); })) << id << " did not end";
  }

  std::unique_ptr<ActuatorWorld> world_;
  std::unique_ptr<Actuator> actuator_;
  std::vector<ReplicaEvent> events_;
};

TEST_P(ActuatorConformance, IsEmptyAtFirstAndSaysItsName) {
  EXPECT_EQ(actuator_->name(), GetParam().name.substr(0, GetParam().name.find('_')));
  EXPECT_TRUE(actuator_->list().empty());
}

TEST_P(ActuatorConformance, StartsListsAndStops) {
  const ReplicaInfo replica = start("m-1");
  EXPECT_EQ(replica.model, world_->spec("m-1").model);
  EXPECT_EQ(replica.cpu_limit, 0.0) << "it starts without a limit";
  EXPECT_TRUE(world_->exists(replica));
  EXPECT_TRUE(actuator_->stop("m-1", std::chrono::seconds(5)));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Exited, "m-1"));
  EXPECT_TRUE(find(ReplicaEvent::Kind::Exited, "m-1")->expected);
  EXPECT_FALSE(world_->exists(replica));
  EXPECT_TRUE(actuator_->list().empty());
}

TEST_P(ActuatorConformance, NoHandlerRunsInsideACall) {
  ASSERT_TRUE(actuator_->start(world_->spec("m-1")));
  EXPECT_TRUE(events_.empty());
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Started, "m-1"));
  events_.clear();
  ASSERT_TRUE(actuator_->set_cpu_limit("m-1", 0.5));
  EXPECT_TRUE(events_.empty());
}

TEST_P(ActuatorConformance, AnIdIsUsedOnce) {
  start("m-1");
  EXPECT_FALSE(actuator_->start(world_->spec("m-1")));
  EXPECT_EQ(actuator_->list().size(), 1U);
}

TEST_P(ActuatorConformance, LimitsAreSetChangedAndTakenAway) {
  const ReplicaInfo replica = start("m-1");
  for (const double cpus : {0.3, 0.9, 0.9, 0.0}) {
    events_.clear();
    const Status set = actuator_->set_cpu_limit("m-1", cpus);
    ASSERT_TRUE(set) << set.error().message;
    ASSERT_TRUE(wait_for(ReplicaEvent::Kind::LimitApplied, "m-1"));
    EXPECT_EQ(listed("m-1")->cpu_limit, cpus);
    if (const auto real = world_->limit_in_force(replica)) {
      EXPECT_NEAR(*real, cpus, 1e-6);
    }
  }
  EXPECT_FALSE(actuator_->set_cpu_limit("m-2", 0.3)) << "no such replica";
}

TEST_P(ActuatorConformance, StoppingTwiceOrNothingIsNoError) {
  EXPECT_TRUE(actuator_->stop("m-9", std::chrono::seconds(1)));
  start("m-1");
  EXPECT_TRUE(actuator_->stop("m-1", std::chrono::seconds(5)));
  EXPECT_TRUE(actuator_->stop("m-1", std::chrono::seconds(5)));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Exited, "m-1"));
  EXPECT_TRUE(actuator_->stop("m-1", std::chrono::seconds(1)));
  world_->loop().settle();
  EXPECT_EQ(std::count_if(events_.begin(), events_.end(),
                          [](const auto& e) { return e.kind == ReplicaEvent::Kind::Exited; }),
            1);
}

TEST_P(ActuatorConformance, ADeathFromOutsideIsToldWithItsReason) {
  const ReplicaInfo one = start("m-1");
  const ReplicaInfo two = start("m-2");
  world_->kill(one);
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Exited, "m-1"));
  const ReplicaEvent* exit = find(ReplicaEvent::Kind::Exited, "m-1");
  EXPECT_FALSE(exit->expected);
  EXPECT_FALSE(exit->detail.empty());
  EXPECT_FALSE(listed("m-1").has_value());
  EXPECT_TRUE(world_->exists(two)) << "the other one goes on";
}

TEST_P(ActuatorConformance, ANewActuatorAdoptsWhatRuns) {
  const ReplicaInfo before = start("m-1");
  start("m-2");
  ASSERT_TRUE(actuator_->set_cpu_limit("m-1", 0.4));
  stop_and_wait("m-2");
  take_actuator();
  ASSERT_EQ(actuator_->list().size(), 1U);
  const ReplicaInfo after = *listed("m-1");
  EXPECT_EQ(after.pid, before.pid);
  EXPECT_EQ(after.container_id, before.container_id);
  EXPECT_EQ(after.model, before.model);
  EXPECT_EQ(after.cpu_limit, 0.4);
  events_.clear();
  ASSERT_TRUE(actuator_->set_cpu_limit("m-1", 0.6));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::LimitApplied, "m-1"));
  if (const auto real = world_->limit_in_force(after)) {
    EXPECT_NEAR(*real, 0.6, 1e-6);
  }
  stop_and_wait("m-1");
  EXPECT_FALSE(world_->exists(before));
}

TEST_P(ActuatorConformance, ADeathWhileNobodyLookedIsNoticed) {
  const ReplicaInfo replica = start("m-1");
  actuator_.reset();
  world_->kill(replica);
  ASSERT_TRUE(wait([&] { return !world_->exists(replica); }));
  take_actuator();
  EXPECT_TRUE(actuator_->list().empty());
  start("m-1");
}

TEST_P(ActuatorConformance, ParksAndUnparks) {
  const ReplicaInfo replica = start("m-1");
  ASSERT_TRUE(actuator_->set_cpu_limit("m-1", 0.4));
  for (int round = 0; round < 2; ++round) {
    events_.clear();
    const Status parked = actuator_->park("m-1");
    ASSERT_TRUE(parked) << parked.error().message;
    EXPECT_TRUE(events_.empty()) << "no handler runs inside a call";
    ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Parked, "m-1"));
    EXPECT_TRUE(listed("m-1")->parked);
    EXPECT_EQ(listed("m-1")->cpu_limit, 0.4);
    EXPECT_TRUE(world_->exists(replica));
    EXPECT_TRUE(wait([&] { return world_->paused(replica).value_or(true); }));
    events_.clear();
    const Status unparked = actuator_->unpark("m-1");
    ASSERT_TRUE(unparked) << unparked.error().message;
    ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Unparked, "m-1"));
    EXPECT_FALSE(listed("m-1")->parked);
    EXPECT_TRUE(wait([&] { return !world_->paused(replica).value_or(false); }));
  }
}

TEST_P(ActuatorConformance, ParkingTwiceIsNoErrorAndCallsTakeEffectInTheirOrder) {
  const ReplicaInfo replica = start("m-1");
  ASSERT_TRUE(actuator_->park("m-1"));
  ASSERT_TRUE(actuator_->park("m-1"));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Parked, "m-1"));
  ASSERT_TRUE(actuator_->unpark("m-1"));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Unparked, "m-1"));
  events_.clear();
  ASSERT_TRUE(actuator_->unpark("m-1"));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Unparked, "m-1")) << "told also when it runs already";
  events_.clear();
  ASSERT_TRUE(actuator_->park("m-1"));
  ASSERT_TRUE(actuator_->unpark("m-1"));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Unparked, "m-1"));
  EXPECT_FALSE(listed("m-1")->parked);
  EXPECT_TRUE(wait([&] { return !world_->paused(replica).value_or(false); }));
  EXPECT_FALSE(actuator_->park("m-9")) << "no such replica";
  EXPECT_FALSE(actuator_->unpark("m-9"));
}

TEST_P(ActuatorConformance, AParkedReplicaStopsInOrderAndItsDeathIsSeen) {
  const ReplicaInfo one = start("m-1");
  const ReplicaInfo two = start("m-2");
  for (const char* id : {"m-1", "m-2"}) {
    ASSERT_TRUE(actuator_->park(id));
    ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Parked, id));
  }
  ASSERT_TRUE(actuator_->stop("m-1", std::chrono::seconds(15)));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Exited, "m-1"));
  EXPECT_TRUE(find(ReplicaEvent::Kind::Exited, "m-1")->expected);
  EXPECT_EQ(find(ReplicaEvent::Kind::Exited, "m-1")->detail.find("Killed"), std::string::npos)
      << "it woke and ended by itself";
  EXPECT_FALSE(world_->exists(one));
  world_->kill(two);
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Exited, "m-2"));
  EXPECT_FALSE(find(ReplicaEvent::Kind::Exited, "m-2")->expected);
}

TEST_P(ActuatorConformance, ANewActuatorAdoptsWhoIsParkedAndCanWakeIt) {
  const ReplicaInfo replica = start("m-1");
  ASSERT_TRUE(actuator_->park("m-1"));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Parked, "m-1"));
  take_actuator();
  ASSERT_TRUE(listed("m-1").has_value());
  EXPECT_TRUE(listed("m-1")->parked);
  ASSERT_TRUE(actuator_->unpark("m-1"));
  ASSERT_TRUE(wait_for(ReplicaEvent::Kind::Unparked, "m-1"));
  EXPECT_FALSE(listed("m-1")->parked);
  EXPECT_TRUE(wait([&] { return !world_->paused(replica).value_or(false); }));
}

TEST_P(ActuatorConformance, LeavesNothingBehind) {
  start("m-1");
  start("m-2");
  ASSERT_TRUE(actuator_->set_cpu_limit("m-1", 0.4));
  ASSERT_TRUE(actuator_->park("m-1"));
  stop_and_wait("m-1");
  world_->kill(*listed("m-2"));
  ASSERT_TRUE(wait([&] { return actuator_->list().empty(); }));
  EXPECT_TRUE(wait([&] { return world_->left_behind().empty(); }))
      << testing::PrintToString(world_->left_behind());
}

}  // namespace spate::scaling
