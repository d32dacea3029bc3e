// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/autoscaler.h"

#include <gtest/gtest.h>

#include <map>

#include "spate/base/config_error.h"
#include "spate/scaling/strategies.h"
#include "testing/scripted_strategy.h"

namespace spate::scaling {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ModelSettings images() {
  ModelSettings m;
  m.name = "images";
  m.model_path = "models/images";
  m.cpu_request = 0.3;
  m.cpu_limit = 0.3;
  m.bounds = {
      .min_replicas = 1, .max_replicas = 3, .min_cpu = 0.3, .max_cpu = 0.9, .cpu_ceiling = 0.9};
  return m;
}

class AutoscalerTest : public testing::Test {
 protected:
  void make(std::vector<ModelSettings> models = {images()}) {
    auto strategy = std::make_unique<ScriptedStrategy>();
    strategy_ = strategy.get();
    scaler_ = std::make_unique<Autoscaler>(std::move(models), std::move(strategy), options_, now_);
  }

  // Lets time pass and returns what is to be done now.
  std::vector<Action> poll(Duration after = Duration{0}) {
    now_ += after;
    return scaler_->poll(now_);
  }

  // Polls and plays an obedient world: starts come up, limits apply, stops end.
  void obey(Duration after = Duration{0}) {
    for (const Action& action : poll(after)) {
      switch (action.kind) {
        case Action::Kind::Start:
          event(ReplicaEvent::Kind::Started, action.replica_id);
          scaler_->worker_registered(now_, action.replica_id, action.model);
          scaler_->worker_ready(now_, action.replica_id, action.model);
          break;
        case Action::Kind::SetCpuLimit:
          event(ReplicaEvent::Kind::LimitApplied, action.replica_id);
          break;
        case Action::Kind::Stop:
          event(ReplicaEvent::Kind::Exited, action.replica_id, "exit status 0", true);
          break;
        default:
          break;
      }
    }
  }

  void event(ReplicaEvent::Kind kind, const std::string& id, const std::string& detail = "",
             bool expected = false) {
    scaler_->replica_event(
        now_, {.kind = kind, .replica_id = id, .detail = detail, .expected = expected});
  }
  void ready(const std::string& id) { scaler_->worker_ready(now_, id, "images"); }
  void in_flight(const std::map<std::string, int>& counts) {
    RawModel raw;
    for (const auto& [id, n] : counts) raw.replicas.push_back({.id = id, .in_flight = n});
    scaler_->read(now_, "images", raw);
  }
  ModelStatus status() const { return scaler_->status().at(0); }

  static std::vector<std::string> ids(const std::vector<Action>& actions, Action::Kind kind) {
    std::vector<std::string> out;
    for (const auto& a : actions) {
      if (a.kind == kind) out.push_back(a.replica_id);
    }
    return out;
  }
  using Ids = std::vector<std::string>;
  static constexpr auto kStart = Action::Kind::Start;
  static constexpr auto kStop = Action::Kind::Stop;
  static constexpr auto kDrain = Action::Kind::Drain;
  static constexpr auto kLimit = Action::Kind::SetCpuLimit;

  AutoscalerOptions options_;
  TimePoint now_{std::chrono::hours(1)};
  ScriptedStrategy* strategy_ = nullptr;
  std::unique_ptr<Autoscaler> scaler_;
};

TEST_F(AutoscalerTest, StartsWhatTheScenarioWantsAndGivesTheLimitWhenReady) {
  make();
  auto actions = poll();
  ASSERT_EQ(ids(actions, kStart), Ids{"images-1"});
  EXPECT_EQ(actions[0].spec.model_path, "models/images");
  EXPECT_TRUE(poll(milliseconds(100)).empty()) << "it is on its way";
  EXPECT_EQ(status().starting, 1);
  EXPECT_DOUBLE_EQ(status().cpu_reserved, 1.0) << "the boost is charged";
  scaler_->worker_registered(now_, "images-1", "images");
  EXPECT_TRUE(poll().empty()) << "no limit while it loads";
  now_ += milliseconds(200);
  ready("images-1");
  actions = poll();
  ASSERT_EQ(ids(actions, kLimit), Ids{"images-1"});
  EXPECT_DOUBLE_EQ(actions[0].cpu_limit, 0.3);
  event(ReplicaEvent::Kind::LimitApplied, "images-1");
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(status().ready, 1);
  EXPECT_DOUBLE_EQ(status().cpu_reserved, 0.3);
}

TEST_F(AutoscalerTest, ADecisionActsInTheSamePollAndIsRecorded) {
  make();
  obey();
  obey();
  scaler_->take_decisions();
  scaler_->take_events();
  strategy_->next = {.replicas = 2, .reason = "because"};
  const auto actions = poll(seconds(1));
  EXPECT_EQ(ids(actions, kStart), Ids{"images-2"});
  const auto decisions = scaler_->take_decisions();
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(decisions[0].from_replicas, 1);
  EXPECT_EQ(decisions[0].to_replicas, 2);
  EXPECT_EQ(decisions[0].direction, "up");
  EXPECT_EQ(decisions[0].reason, "because");
  EXPECT_EQ(decisions[0].generation, 1U);
  const TimePoint decided = now_;
  event(ReplicaEvent::Kind::Started, "images-2");
  now_ += milliseconds(300);
  ready("images-2");
  scaler_->worker_first_answer(now_ + milliseconds(50), "images-2");
  std::map<std::string, ScalingEvent> events;
  for (const auto& e : scaler_->take_events()) events[e.event] = e;
  EXPECT_EQ(events.at("ready").after, milliseconds(300));
  EXPECT_EQ(events.at("first_answer").after, milliseconds(350));
  EXPECT_EQ(events.at("first_answer").at, decided + milliseconds(350));
}

TEST_F(AutoscalerTest, ANewLimitGoesToEveryReadyReplicaAtOnce) {
  ModelSettings m = images();
  m.replicas = 2;
  m.cpu_limit = 0.3;
  make({m});
  obey();
  obey();
  strategy_->next = {.replicas = 2, .cpu_limit = 0.45, .reason = "more CPU"};
  const auto actions = poll(seconds(1));
  EXPECT_EQ(ids(actions, kLimit), (Ids{"images-1", "images-2"}));
  EXPECT_DOUBLE_EQ(actions[0].cpu_limit, 0.45);
  scaler_->take_events();
  now_ += milliseconds(3);
  event(ReplicaEvent::Kind::LimitApplied, "images-1");
  const auto events = scaler_->take_events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].event, "limit_applied");
  EXPECT_EQ(events[0].after, milliseconds(3));
  EXPECT_EQ(events[0].cpu_limit, 0.45);
  EXPECT_DOUBLE_EQ(status().cpu_reserved, 0.45 + 0.3) << "the second still has the old one";
}

TEST_F(AutoscalerTest, LimitsClipTheDecisionAndSayWhat) {
  make();
  obey();
  obey();
  strategy_->next = {.replicas = 7, .reason = "greed", .rule = Rule::Load, .changed_by = "limits"};
  poll(seconds(1));
  auto decisions = scaler_->take_decisions();
  EXPECT_EQ(decisions.back().rule, "load");
  EXPECT_EQ(decisions.back().changed_by, "limits");
  EXPECT_EQ(decisions.back().asked_replicas, 7);
  EXPECT_EQ(decisions.back().to_replicas, 3);
  EXPECT_EQ(decisions.back().clipped_by, "max_replicas");
  strategy_->next = {.replicas = 3, .cpu_limit = 0.9, .reason = "both"};
  poll(seconds(1));
  decisions = scaler_->take_decisions();
  EXPECT_EQ(decisions.back().clipped_by, "cpu_ceiling");
  EXPECT_EQ(decisions.back().direction, "hold");
}

TEST_F(AutoscalerTest, ScaleInTakesStartingOnesThenTheLeastLoaded) {
  ModelSettings m = images();
  m.replicas = 3;
  make({m});
  poll();
  ready("images-1");
  ready("images-2");
  in_flight({{"images-1", 0}, {"images-2", 5}});
  strategy_->next = {.replicas = 2, .reason = "less"};
  auto actions = poll(seconds(1));
  EXPECT_EQ(ids(actions, kStop), Ids{"images-3"}) << "it was still starting";
  EXPECT_TRUE(ids(actions, kDrain).empty());
  strategy_->next = {.replicas = 1, .reason = "less"};
  actions = poll(seconds(1));
  EXPECT_EQ(ids(actions, kDrain), Ids{"images-1"}) << "it has nothing in flight";
  EXPECT_EQ(ids(actions, kStop), Ids{"images-1"});
  EXPECT_EQ(status().draining, 2);
  EXPECT_TRUE(ids(poll(milliseconds(10)), kStop).empty()) << "once is enough";
  event(ReplicaEvent::Kind::Exited, "images-1", "exit status 0", true);
  EXPECT_EQ(status().failures, 0U);
  EXPECT_EQ(status().ready, 1);
}

TEST_F(AutoscalerTest, TiesOnScaleInGoToTheNewest) {
  ModelSettings m = images();
  m.replicas = 3;
  make({m});
  obey();
  obey();
  in_flight({{"images-1", 1}, {"images-2", 1}, {"images-3", 1}});
  strategy_->next = {.replicas = 2, .reason = "less"};
  EXPECT_EQ(ids(poll(seconds(1)), kDrain), Ids{"images-3"});
}

TEST_F(AutoscalerTest, ADeadReplicaIsReplacedAtOnceThenWithBackOff) {
  make();
  obey();
  obey();
  event(ReplicaEvent::Kind::Exited, "images-1", "killed by signal 9 (Killed)");
  EXPECT_EQ(ids(poll(), kStart), Ids{"images-2"}) << "the first time at once";
  EXPECT_EQ(status().last_failure, "images-1: killed by signal 9 (Killed)");
  event(ReplicaEvent::Kind::Exited, "images-2", "exit status 1");
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(scaler_->next_wakeup(), now_ + milliseconds(500));
  EXPECT_TRUE(poll(milliseconds(499)).empty());
  EXPECT_EQ(ids(poll(milliseconds(1)), kStart), Ids{"images-3"});
  event(ReplicaEvent::Kind::Exited, "images-3", "exit status 1");
  EXPECT_TRUE(poll(milliseconds(999)).empty());
  EXPECT_EQ(ids(poll(milliseconds(1)), kStart), Ids{"images-4"}) << "doubled";
  // One that has been ready for stable_after makes up for it.
  ready("images-4");
  poll(options_.stable_after);
  event(ReplicaEvent::Kind::Exited, "images-4", "killed by signal 9 (Killed)");
  EXPECT_EQ(ids(poll(), kStart), Ids{"images-5"});
  EXPECT_EQ(status().failures, 4U);
}

TEST_F(AutoscalerTest, BackOffIsBounded) {
  make();
  poll();
  for (int i = 1; i <= 12; ++i) {
    event(ReplicaEvent::Kind::Exited, "images-" + std::to_string(i), "exit status 1");
    for (Duration waited{0}; waited <= options_.backoff_max + milliseconds(1);) {
      const Duration wait = std::min<Duration>(scaler_->next_wakeup() - now_, seconds(1));
      waited += wait;
      if (!ids(poll(wait), kStart).empty()) break;
    }
    ASSERT_EQ(status().starting, 1) << "after failure " << i;
  }
}

TEST_F(AutoscalerTest, ASlowStartIsGivenUp) {
  make();
  poll();
  scaler_->worker_registered(now_, "images-1", "images");
  EXPECT_TRUE(ids(poll(options_.start_timeout - milliseconds(1)), kStop).empty());
  const auto actions = poll(milliseconds(1));
  EXPECT_EQ(ids(actions, kStop), Ids{"images-1"});
  EXPECT_EQ(ids(actions, kStart), Ids{"images-2"});
  EXPECT_NE(status().last_failure.find("not ready after 60 s"), std::string::npos);
}

TEST_F(AutoscalerTest, AFailedStartIsAFailure) {
  make();
  poll();
  scaler_->start_failed(now_, "images-1", "no such file");
  EXPECT_EQ(status().last_failure, "images-1: no such file");
  EXPECT_EQ(ids(poll(), kStart), Ids{"images-2"});
}

TEST_F(AutoscalerTest, ALostConnectionMayComeBack) {
  make();
  obey();
  obey();
  scaler_->worker_gone(now_, "images-1");
  EXPECT_EQ(status().starting, 1);
  EXPECT_DOUBLE_EQ(status().cpu_reserved, 0.3) << "no boost the second time";
  EXPECT_TRUE(poll(seconds(5)).empty());
  ready("images-1");
  EXPECT_EQ(ids(poll(), kLimit), Ids{"images-1"}) << "it is told its limit again";
  scaler_->worker_gone(now_, "images-1");
  const auto actions = poll(options_.reconnect_timeout);
  EXPECT_EQ(ids(actions, kStop), Ids{"images-1"});
  EXPECT_EQ(ids(actions, kStart), Ids{"images-2"});
}

TEST_F(AutoscalerTest, AWorkerThatDrainsOfItsOwnAccordIsReplaced) {
  make();
  obey();
  obey();
  scaler_->worker_draining(now_, "images-1");
  EXPECT_EQ(ids(poll(), kStart), Ids{"images-2"});
  scaler_->worker_gone(now_, "images-1");
  event(ReplicaEvent::Kind::Exited, "images-1", "exit status 0");
  EXPECT_EQ(status().failures, 0U);
  EXPECT_EQ(status().draining, 0);
}

TEST_F(AutoscalerTest, ALimitThatFailsIsTriedAgain) {
  make();
  obey();
  EXPECT_EQ(ids(poll(), kLimit), Ids{"images-1"});
  event(ReplicaEvent::Kind::LimitFailed, "images-1", "read-only");
  EXPECT_TRUE(poll(milliseconds(500)).empty());
  EXPECT_EQ(ids(poll(milliseconds(500)), kLimit), Ids{"images-1"});
}

TEST_F(AutoscalerTest, AStopThatGotLostIsAskedAgain) {
  make();
  obey();
  obey();
  scaler_->shut_down(now_);
  EXPECT_EQ(ids(poll(), kStop), Ids{"images-1"});
  EXPECT_TRUE(ids(poll(seconds(19)), kStop).empty());
  EXPECT_EQ(ids(poll(seconds(1)), kStop), Ids{"images-1"});
  EXPECT_FALSE(scaler_->all_gone());
  event(ReplicaEvent::Kind::Exited, "images-1", "killed", true);
  EXPECT_TRUE(scaler_->all_gone());
  EXPECT_TRUE(poll(seconds(60)).empty()) << "nothing is started again";
}

TEST_F(AutoscalerTest, WhatVanishesFromTheListIsGoneAndWhatIsFoundIsAdopted) {
  make();
  scaler_->observe(now_, {{.replica_id = "images-7", .model = "images", .cpu_limit = 0.3},
                          {.replica_id = "other-1", .model = "other"}});
  EXPECT_TRUE(poll().empty()) << "the adopted one is the one wanted";
  ready("images-7");
  EXPECT_EQ(status().ready, 1);
  strategy_->next = {.replicas = 2, .reason = "more"};
  EXPECT_EQ(ids(poll(seconds(1)), kStart), Ids{"images-8"}) << "numbers go on";
  scaler_->observe(now_, {});
  EXPECT_EQ(status().ready, 1) << "one missing look is no proof";
  scaler_->observe(now_ + seconds(5), {{.replica_id = "images-8", .model = "images"}});
  EXPECT_EQ(status().ready, 0);
  EXPECT_EQ(status().last_failure, "images-7: vanished");
}

TEST_F(AutoscalerTest, UnusableDecisionsHoldAndAreCounted) {
  make();
  obey();
  obey();
  for (const double cpu : {-1.0, 0.0, std::numeric_limits<double>::quiet_NaN()}) {
    strategy_->next = {.replicas = 1, .cpu_limit = cpu, .reason = "odd"};
    EXPECT_TRUE(poll(seconds(1)).empty());
  }
  strategy_->next = {.replicas = -3, .reason = "odd"};
  EXPECT_TRUE(poll(seconds(1)).empty());
  strategy_->answer_nothing = true;
  EXPECT_TRUE(poll(seconds(1)).empty());
  EXPECT_EQ(scaler_->invalid_decisions(), 5U);
  const auto decisions = scaler_->take_decisions();
  EXPECT_EQ(decisions.back().reason,
            "hold: the strategy's decision is unusable: 0 decisions for 1 models");
  EXPECT_EQ(decisions.back().rule, "unusable");
  EXPECT_EQ(status().wanted, 1);
}

TEST_F(AutoscalerTest, OnlyScaledModelsAreShown) {
  ModelSettings rows = images();
  rows.name = "rows";
  rows.scaled = false;
  rows.bounds = {};
  rows.replicas = 2;
  make({images(), rows});
  obey();
  poll(seconds(1));
  ASSERT_EQ(strategy_->last.models.size(), 1U);
  EXPECT_EQ(strategy_->last.models[0].model, "images");
  EXPECT_EQ(scaler_->status().at(1).ready, 2) << "but kept at what the scenario says";
}

TEST_F(AutoscalerTest, ASnapshotKeepsWhatIsWantedAndTheNumbers) {
  make();
  obey();
  obey();
  strategy_->next = {.replicas = 3, .reason = "more"};
  obey(seconds(1));
  obey();
  strategy_->memory = 42;
  const std::string snapshot = scaler_->snapshot();
  make();
  const Status restored = scaler_->restore(snapshot);
  ASSERT_TRUE(restored) << restored.error().message;
  EXPECT_EQ(scaler_->snapshot(), snapshot);
  EXPECT_EQ(strategy_->memory, 42);
  scaler_->observe(now_, {{.replica_id = "images-1", .model = "images"},
                          {.replica_id = "images-3", .model = "images"}});
  EXPECT_EQ(ids(poll(), kStart), Ids{"images-4"}) << "two adopted, one missing, no id twice";

  EXPECT_FALSE(scaler_->restore("{}"));
  EXPECT_FALSE(scaler_->restore("nonsense"));
  EXPECT_EQ(status().wanted, 3) << "a bad snapshot changes nothing";
}

TEST_F(AutoscalerTest, BoundsThatCannotBeKeptAreRefused) {
  ModelSettings m = images();
  m.replicas = 4;
  EXPECT_THROW(make({m}), ConfigError);
  m = images();
  m.bounds.min_cpu = 2.0;
  EXPECT_THROW(make({m}), ConfigError);
  m = images();
  m.bounds.min_replicas = 3;
  m.bounds.min_cpu = 0.4;
  EXPECT_THROW(make({m}), ConfigError);
  EXPECT_THROW(make({images(), images()}), ConfigError);
}

// The whole chain: totals in, the real strategy, limits, actions out.
TEST_F(AutoscalerTest, HorizontalScalesOutUnderLoadAndBackAfterIt) {
  scaler_ = std::make_unique<Autoscaler>(
      std::vector{images()}, builtin_strategies().make("horizontal", std::nullopt), options_, now_);
  std::map<std::string, double> used;
  double demand = 0.75;  // CPUs
  int most = 0;
  for (int step = 0; step < 60 * 5; ++step) {
    if (step == 30 * 5) demand = 0.09;
    obey();
    obey();
    int serving = 0;
    for (const auto& r : status().replicas) serving += r.state == ReplicaState::Ready ? 1 : 0;
    RawModel raw;
    for (const auto& r : status().replicas) {
      if (r.state != ReplicaState::Ready) continue;
      used[r.id] += std::min(demand / serving, r.cpu_limit) * 0.2;
      raw.replicas.push_back(
          {.id = r.id, .cpu_seconds = used[r.id], .cpu_limit = r.cpu_limit, .cpu_request = 0.3});
    }
    now_ += milliseconds(200);
    scaler_->read(now_, "images", raw);
    most = std::max(most, status().wanted);
  }
  EXPECT_EQ(most, 3);
  EXPECT_EQ(status().wanted, 1);
  int ups = 0;
  int downs = 0;
  TimePoint last_change{};
  for (const auto& d : scaler_->take_decisions()) {
    if (d.direction == "hold") continue;
    (d.direction == "up" ? ups : downs)++;
    if (last_change != TimePoint{}) {
      EXPECT_GE(d.at - last_change, seconds(5)) << "a fresh window between two steps";
    }
    last_change = d.at;
    ASSERT_EQ(d.inputs.size(), 1U);
    EXPECT_TRUE(d.inputs[0].value.has_value());
  }
  EXPECT_EQ(ups, 2);
  EXPECT_EQ(downs, 2);
}

}  // namespace
}  // namespace spate::scaling
