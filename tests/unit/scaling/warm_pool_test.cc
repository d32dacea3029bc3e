// SPDX-License-Identifier: Apache-2.0
//
// The warm pool: replicas that are loaded, parked, taken first when more are wanted, and
// returned to.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "spate/base/config_error.h"
#include "spate/scaling/autoscaler.h"
#include "testing/scripted_strategy.h"

namespace spate::scaling {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Action::Kind;

class WarmPool : public testing::Test {
 protected:
  void make(int warm_pool = 1, int max_warm_pool = 4) {
    ModelSettings m;
    m.name = "m";
    m.cpu_request = 0.3;
    m.cpu_limit = 0.3;
    m.warm_pool = warm_pool;
    m.max_warm_pool = max_warm_pool;
    m.bounds = {
        .min_replicas = 1, .max_replicas = 4, .min_cpu = 0.1, .max_cpu = 0.9, .cpu_ceiling = 2.0};
    auto strategy = std::make_unique<ScriptedStrategy>();
    strategy_ = strategy.get();
    scaler_ = std::make_unique<Autoscaler>(std::vector{m}, std::move(strategy), AutoscalerOptions{},
                                           now_);
  }
  std::vector<Action> poll(Duration after = Duration{0}) {
    now_ += after;
    return scaler_->poll(now_);
  }
  // An obedient world in which everything is at once; what is in `held` does not happen.
  std::vector<Action> obey(Duration after = Duration{0}) {
    std::vector<Action> all;
    now_ += after;
    for (int round = 0; round < 20; ++round) {
      const auto actions = scaler_->poll(now_);
      if (actions.empty()) break;
      for (const auto& action : actions) {
        all.push_back(action);
        if (!held_.contains(action.kind)) carry_out(action);
      }
    }
    return all;
  }
  void carry_out(const Action& action) {
    const std::string& id = action.replica_id;
    switch (action.kind) {
      case Kind::Start:
        event(ReplicaEvent::Kind::Started, id);
        scaler_->worker_ready(now_, id, "m");
        break;
      case Kind::SetCpuLimit:
        event(ReplicaEvent::Kind::LimitApplied, id);
        break;
      case Kind::Park:
        event(ReplicaEvent::Kind::Parked, id);
        break;
      case Kind::Unpark:
        event(ReplicaEvent::Kind::Unparked, id);
        scaler_->worker_first_answer(now_, id);
        break;
      case Kind::Stop:
        event(ReplicaEvent::Kind::Exited, id, "exit status 0", true);
        break;
      default:
        break;
    }
  }
  void event(ReplicaEvent::Kind kind, const std::string& id, const std::string& detail = "",
             bool expected = false) {
    scaler_->replica_event(
        now_, {.kind = kind, .replica_id = id, .detail = detail, .expected = expected});
  }
  std::vector<Action> want(int replicas, std::optional<int> warm_pool = {},
                           std::optional<double> cpu_limit = {}) {
    Target target;
    target.replicas = replicas;
    target.warm_pool = warm_pool;
    target.cpu_limit = cpu_limit;
    target.reason = "as the test says";
    strategy_->next = target;
    return obey(seconds(1));
  }
  ModelStatus status() const { return scaler_->status().at(0); }
  std::string states() const {
    std::string out;
    for (const auto& r : status().replicas) {
      out += (out.empty() ? "" : " ") + r.id + ":" + std::string(to_string(r.state));
    }
    return out;
  }
  std::map<std::string, ScalingEvent> events() {
    std::map<std::string, ScalingEvent> out;
    for (const auto& e : scaler_->take_events()) out[e.replica + " " + e.event] = e;
    return out;
  }
  static std::vector<std::string> ids(const std::vector<Action>& actions, Kind kind) {
    std::vector<std::string> out;
    for (const auto& a : actions) {
      if (a.kind == kind) out.push_back(a.replica_id);
    }
    return out;
  }
  using Ids = std::vector<std::string>;

  std::set<Kind> held_;
  TimePoint now_{std::chrono::hours(1)};
  ScriptedStrategy* strategy_ = nullptr;
  std::unique_ptr<Autoscaler> scaler_;
};

TEST_F(WarmPool, IsFilledOnceTheWantedReplicasServe) {
  make(2);
  EXPECT_EQ(ids(poll(), Kind::Start), Ids{"m-1"}) << "what is needed now comes up alone";
  scaler_->worker_ready(now_, "m-1", "m");
  const auto actions = obey();
  EXPECT_EQ(ids(actions, Kind::Start), (Ids{"m-2", "m-3"}));
  EXPECT_EQ(ids(actions, Kind::Park).size(), 2U);
  EXPECT_TRUE(ids(actions, Kind::Drain).empty()) << "a drained worker leaves";
  const ModelStatus s = status();
  EXPECT_EQ(s.wanted, 1);
  EXPECT_EQ(s.ready, 1);
  EXPECT_EQ(s.parked, 2);
  EXPECT_EQ(s.warm_pool, 2);
  EXPECT_DOUBLE_EQ(s.cpu_reserved, 0.3) << "who is parked reserves no CPU";
  EXPECT_TRUE(poll(milliseconds(100)).empty());
}

TEST_F(WarmPool, IsParkedOnlyWithItsLimitInForce) {
  make();
  held_ = {Kind::SetCpuLimit};
  EXPECT_TRUE(ids(obey(), Kind::Park).empty());
  EXPECT_DOUBLE_EQ(status().cpu_reserved, 0.6);
  event(ReplicaEvent::Kind::LimitApplied, "m-1");
  event(ReplicaEvent::Kind::LimitApplied, "m-2");
  EXPECT_EQ(ids(obey(), Kind::Park), Ids{"m-2"});
}

TEST_F(WarmPool, IsTakenFirstThenRefilled) {
  make();
  obey();
  scaler_->worker_first_answer(now_, "m-2");
  events();
  held_ = {Kind::Start, Kind::Unpark};
  auto actions = want(2);
  ASSERT_EQ(actions.size(), 1U);
  EXPECT_EQ(actions[0].kind, Kind::Unpark) << "in the poll that decided";
  EXPECT_EQ(actions[0].replica_id, "m-2");
  event(ReplicaEvent::Kind::Unparked, "m-2");
  EXPECT_TRUE(obey().empty()) << "it has its limit, and nothing that loads is in its way";
  EXPECT_EQ(status().ready, 2);
  now_ += milliseconds(40);
  scaler_->worker_first_answer(now_, "m-2");
  const auto seen = events();
  EXPECT_EQ(ids(obey(), Kind::Start), Ids{"m-3"}) << "for the pool";
  EXPECT_EQ(seen.at("m-2 unparked").after, Duration{0});
  EXPECT_EQ(seen.at("m-2 first_answer").after, milliseconds(40)) << "from the decision on";
  EXPECT_EQ(seen.at("m-2 first_answer").detail, "from the warm pool");
  held_.clear();
  scaler_->worker_ready(now_, "m-3", "m");
  obey();
  EXPECT_EQ(states(), "m-1:ready m-2:ready m-3:parked");
}

TEST_F(WarmPool, IsRefilledAlsoWhenNoRequestComes) {
  make();
  obey();
  held_ = {Kind::Start, Kind::Unpark};
  want(2);
  event(ReplicaEvent::Kind::Unparked, "m-2");
  poll();
  EXPECT_LE(scaler_->next_wakeup(), now_ + seconds(1));
  EXPECT_EQ(ids(obey(seconds(1)), Kind::Start), Ids{"m-3"});
}

TEST_F(WarmPool, ReturnsAReadyReplicaBeforeItStopsOne) {
  make();
  obey();
  held_ = {Kind::Start};
  want(2);  // m-2 serves, m-3 starts for the pool
  const auto actions = want(1);
  EXPECT_EQ(ids(actions, Kind::Stop), Ids{"m-3"}) << "it had not come far";
  EXPECT_EQ(ids(actions, Kind::Park), Ids{"m-2"});
  EXPECT_EQ(states(), "m-1:ready m-2:parked");
}

TEST_F(WarmPool, AFullPoolTakesNoMore) {
  make();
  obey();
  want(3);
  ASSERT_EQ(status().ready, 3);
  ASSERT_EQ(status().parked, 1);
  const auto actions = want(1);
  EXPECT_EQ(ids(actions, Kind::Stop).size(), 2U);
  EXPECT_TRUE(ids(actions, Kind::Park).empty());
  EXPECT_EQ(status().ready, 1);
  EXPECT_EQ(status().parked, 1);
}

TEST_F(WarmPool, WhoIsStillFinishingItsWorkIsCalledBack) {
  make();
  obey();
  want(2);
  events();
  held_ = {Kind::Park};
  want(1, 2);
  EXPECT_EQ(status().draining, 1) << "on its way into the pool";
  EXPECT_EQ(status().parked, 1);
  const auto actions = want(2);
  EXPECT_EQ(ids(actions, Kind::Unpark), Ids{"m-2"}) << "not the one that sleeps";
  EXPECT_EQ(status().ready, 2);
}

TEST_F(WarmPool, ANewLimitReachesWhoIsParkedWhenItServes) {
  make();
  obey();
  EXPECT_EQ(ids(want(1, {}, 0.5), Kind::SetCpuLimit), Ids{"m-1"});
  now_ += seconds(5);
  events();
  const auto actions = want(2);
  EXPECT_EQ(ids(actions, Kind::SetCpuLimit).front(), "m-2");
  EXPECT_EQ(events().at("m-2 limit_applied").after, Duration{0})
      << "from the decision to take it, not from that of the limit";
}

TEST_F(WarmPool, TheStrategySizesItWithinItsMaximum) {
  make(0, 2);
  obey();
  want(1, 1);
  EXPECT_EQ(status().parked, 1);
  scaler_->take_decisions();
  want(1, 9);
  EXPECT_EQ(status().parked, 2);
  const auto grown = scaler_->take_decisions().at(0);
  EXPECT_EQ(grown.from_warm_pool, 1);
  EXPECT_EQ(grown.asked_warm_pool, 9);
  EXPECT_EQ(grown.to_warm_pool, 2);
  EXPECT_EQ(grown.clipped_by, "max_warm_pool");
  EXPECT_EQ(grown.direction, "up");
  want(1);
  EXPECT_EQ(status().parked, 2) << "unset leaves it";
  EXPECT_EQ(strategy_->last.models[0].warm_pool, 2);
  EXPECT_EQ(strategy_->last.models[0].replicas.size(), 1U) << "the strategy sees who serves";
  scaler_->take_decisions();
  const auto actions = want(1, 0);
  EXPECT_EQ(ids(actions, Kind::Stop).size(), 2U);
  EXPECT_EQ(states(), "m-1:ready");
  EXPECT_EQ(scaler_->take_decisions().at(0).direction, "down");
  want(1, -1);
  EXPECT_EQ(scaler_->invalid_decisions(), 1U);
}

TEST_F(WarmPool, BoundsAreOfTheServingReplicas) {
  make(2);
  obey();
  want(9);
  EXPECT_EQ(status().ready, 4) << "max_replicas";
  EXPECT_EQ(status().parked, 2);
}

TEST_F(WarmPool, AParkedReplicaThatDiesIsReplacedWithBackOff) {
  make();
  obey();
  now_ += seconds(1);
  scaler_->worker_gone(now_, "m-2");
  event(ReplicaEvent::Kind::Exited, "m-2", "killed by signal 9 (Killed)");
  EXPECT_EQ(ids(poll(), Kind::Start), Ids{"m-3"}) << "at once the first time";
  EXPECT_EQ(status().failures, 1U);
  EXPECT_EQ(status().last_failure, "m-2: killed by signal 9 (Killed)");
  event(ReplicaEvent::Kind::Exited, "m-3", "exit status 1");
  EXPECT_TRUE(ids(poll(milliseconds(400)), Kind::Start).empty());
  EXPECT_EQ(ids(poll(milliseconds(101)), Kind::Start), Ids{"m-4"});
  EXPECT_EQ(status().ready, 1) << "the serving one is not touched";
}

TEST_F(WarmPool, ADeadServingReplicaIsReplacedFromThePool) {
  make();
  obey();
  held_ = {Kind::Start};
  event(ReplicaEvent::Kind::Exited, "m-1", "killed by signal 9 (Killed)");
  const auto actions = obey();
  EXPECT_EQ(ids(actions, Kind::Unpark), Ids{"m-2"});
  EXPECT_EQ(ids(actions, Kind::Start), Ids{"m-3"});
  EXPECT_EQ(status().ready, 1);
}

TEST_F(WarmPool, AnEngineThatCannotParkCostsAReplicaNotTheService) {
  make();
  held_ = {Kind::Park};
  const auto first = obey();
  ASSERT_EQ(ids(first, Kind::Park), Ids{"m-2"});
  event(ReplicaEvent::Kind::ParkFailed, "m-2", "this engine cannot pause");
  held_.insert(Kind::Start);
  EXPECT_EQ(ids(obey(), Kind::Stop), Ids{"m-2"});
  EXPECT_EQ(status().last_failure, "m-2: it cannot be parked: this engine cannot pause");
  EXPECT_EQ(status().ready, 1);
  event(ReplicaEvent::Kind::ParkFailed, "m-9", "unknown ids are ignored");
}

TEST_F(WarmPool, WhoDoesNotWakeIsReplaced) {
  make();
  obey();
  held_ = {Kind::Unpark};
  want(2);
  EXPECT_EQ(status().starting, 1);
  EXPECT_DOUBLE_EQ(status().cpu_reserved, 0.6) << "from the decision on";
  AutoscalerOptions options;
  EXPECT_LE(scaler_->next_wakeup(), now_ + options.unpark_timeout);
  const auto actions = poll(options.unpark_timeout);
  EXPECT_EQ(ids(actions, Kind::Stop), Ids{"m-2"});
  EXPECT_EQ(ids(actions, Kind::Start).size(), 1U) << "a cold one serves, then the pool is filled";
  EXPECT_EQ(status().failures, 1U);
}

TEST_F(WarmPool, WhoDoesNotFinishItsWorkIsStopped) {
  make();
  obey();
  want(2);
  held_ = {Kind::Park, Kind::Stop};
  want(1, 2);
  ASSERT_EQ(status().draining, 1);
  AutoscalerOptions options;
  const auto actions = poll(options.drain_grace);
  EXPECT_EQ(ids(actions, Kind::Stop), Ids{"m-2"});
}

TEST_F(WarmPool, AParkedReplicaThatLostItsConnectionWakesDialsInAndIsParkedAgain) {
  make();
  obey();
  events();
  scaler_->worker_gone(now_, "m-2");
  auto actions = poll();
  EXPECT_EQ(ids(actions, Kind::Unpark), Ids{"m-2"});
  event(ReplicaEvent::Kind::Unparked, "m-2");
  EXPECT_FALSE(events().at("m-2 unparked").after.has_value()) << "no decision did that";
  EXPECT_TRUE(poll().empty());
  EXPECT_EQ(status().starting, 1);
  scaler_->worker_ready(now_, "m-2", "m");
  actions = obey();
  EXPECT_EQ(ids(actions, Kind::SetCpuLimit), Ids{"m-2"}) << "its gateway may be a new one";
  EXPECT_EQ(ids(actions, Kind::Park), Ids{"m-2"});
  EXPECT_EQ(states(), "m-1:ready m-2:parked");
}

TEST_F(WarmPool, WhoIsWokenByOthersServesUntilItIsParkedAgain) {
  make();
  obey();
  event(ReplicaEvent::Kind::Unparked, "m-2");
  EXPECT_EQ(status().ready, 2);
  EXPECT_EQ(ids(obey(), Kind::Park), Ids{"m-2"});
  // Somebody pauses the one that serves: another one, here itself, is woken.
  event(ReplicaEvent::Kind::Parked, "m-1");
  EXPECT_EQ(ids(obey(), Kind::Unpark).size(), 1U);
  EXPECT_EQ(status().ready, 1);
}

TEST_F(WarmPool, ARestartAdoptsWhoIsParked) {
  make();
  obey();
  want(1, 2);
  const std::string memory = scaler_->snapshot();
  make();
  ASSERT_TRUE(scaler_->restore(memory));
  EXPECT_EQ(status().warm_pool, 2);
  scaler_->worker_ready(now_, "m-1", "m");
  scaler_->observe(now_, {{.replica_id = "m-1", .model = "m", .cpu_limit = 0.3},
                          {.replica_id = "m-2", .model = "m", .cpu_limit = 0.3, .parked = true},
                          {.replica_id = "m-3", .model = "m", .cpu_limit = 0.3, .parked = true}});
  held_ = {Kind::Start};
  auto actions = obey();
  EXPECT_EQ(ids(actions, Kind::Unpark), (Ids{"m-2", "m-3"})) << "so that they can dial in";
  EXPECT_TRUE(ids(actions, Kind::Start).empty());
  scaler_->worker_ready(now_, "m-2", "m");
  scaler_->worker_ready(now_, "m-3", "m");
  actions = obey();
  EXPECT_EQ(ids(actions, Kind::Park).size(), 2U);
  EXPECT_EQ(status().ready, 1);
  EXPECT_EQ(status().parked, 2);
  EXPECT_EQ(status().failures, 0U);
}

TEST_F(WarmPool, ShutDownStopsWhoIsParked) {
  make(2);
  obey();
  scaler_->shut_down(now_);
  const auto actions = obey();
  EXPECT_EQ(ids(actions, Kind::Stop).size(), 3U);
  EXPECT_TRUE(ids(actions, Kind::Unpark).empty()) << "the actuator's stop() wakes it";
  EXPECT_TRUE(scaler_->all_gone());
}

TEST_F(WarmPool, APoolAboveItsMaximumIsRefused) {
  EXPECT_THROW(make(3, 2), ConfigError);
  EXPECT_THROW(make(-1, 2), ConfigError);
}

}  // namespace
}  // namespace spate::scaling
