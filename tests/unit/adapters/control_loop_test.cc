// SPDX-License-Identifier: Apache-2.0
#include "spate/adapters/control_loop.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "spate/adapters/scaling_metrics.h"
#include "spate/base/virtual_clock.h"
#include "testing/scripted_strategy.h"
#include "testing/test_folder.h"

namespace spate::adapters {
namespace {

using gateway::WorkerEvent;
using gateway::WorkerInfo;
using scaling::ReplicaEvent;
using scaling::ReplicaInfo;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A gateway without requests, whose workers a test moves.
class FakeControl final : public gateway::Control {
 public:
  std::vector<std::string> models() const override { return {"m"}; }
  const gateway::RouteStats& stats(std::string_view) const override { return stats_; }
  std::vector<WorkerInfo> workers() const override { return workers_; }
  void drain(const std::string& id) override { drained.push_back(id); }
  void park(const std::string& id) override { parked.push_back(id); }
  void unpark(const std::string& id) override { unparked.push_back(id); }
  void announce_cpu_limit(const std::string&, double, bool) override {}
  void set_max_batch(std::string_view, int max_batch) override { max_batches.push_back(max_batch); }
  void set_worker_event_handler(std::function<void(const WorkerEvent&)> handler) override {
    handler_ = std::move(handler);
  }

  void say(WorkerEvent::Kind kind, const std::string& id) {
    WorkerInfo info;
    info.replica_id = id;
    info.model = "m";
    info.load = milliseconds(7);
    handler_({kind, info});
  }

  gateway::RouteStats stats_;
  std::vector<WorkerInfo> workers_;
  std::vector<std::string> drained;
  std::vector<std::string> parked;
  std::vector<std::string> unparked;
  std::vector<int> max_batches;

 private:
  std::function<void(const WorkerEvent&)> handler_;
};

// An engine that does what it is told, at once, and writes down when.
class FakeActuator final : public scaling::Actuator {
 public:
  explicit FakeActuator(Clock& clock) : clock_(clock) {}
  std::string_view name() const override { return "fake"; }
  scaling::LimitMechanism limit_mechanism() const override { return scaling::LimitMechanism::None; }
  void set_event_handler(EventHandler handler) override { handler_ = std::move(handler); }
  Status start(const scaling::ReplicaSpec& spec) override {
    calls.push_back({clock_.now(), "start " + spec.replica_id});
    if (refuse) return Error{ErrorCode::Unavailable, "no room"};
    infos.push_back({.replica_id = spec.replica_id, .model = spec.model});
    return ok();
  }
  Status set_cpu_limit(const std::string& id, double cpus) override {
    calls.push_back({clock_.now(), "limit " + id});
    for (auto& info : infos) {
      if (info.replica_id == id) info.cpu_limit = cpus;
    }
    handler_({.kind = ReplicaEvent::Kind::LimitApplied, .replica_id = id});
    return ok();
  }
  Status stop(const std::string& id, Duration) override {
    calls.push_back({clock_.now(), "stop " + id});
    return ok();
  }
  std::vector<ReplicaInfo> list() const override { return infos; }
  Status park(const std::string& id) override {
    calls.push_back({clock_.now(), "park " + id});
    if (refuse) return Error{ErrorCode::Unavailable, "it cannot be paused"};
    return ok();
  }
  Status unpark(const std::string& id) override {
    calls.push_back({clock_.now(), "unpark " + id});
    return ok();
  }
  void say(ReplicaEvent::Kind kind, const std::string& id) {
    for (auto& info : infos) {
      if (info.replica_id == id) info.parked = kind == ReplicaEvent::Kind::Parked;
    }
    handler_({.kind = kind, .replica_id = id});
  }
  void exit(const std::string& id, bool expected) {
    std::erase_if(infos, [&](const auto& info) { return info.replica_id == id; });
    handler_({.kind = ReplicaEvent::Kind::Exited,
              .replica_id = id,
              .detail = "exit status 1",
              .expected = expected});
  }

  struct Call {
    TimePoint at;
    std::string what;
  };
  std::vector<Call> calls;
  std::vector<ReplicaInfo> infos;
  bool refuse = false;

 private:
  Clock& clock_;
  EventHandler handler_;
};

// Every worker uses 0.2 CPUs, half its periods throttled; the gateway 0.05.
class FakeMeter final : public Meter {
 public:
  explicit FakeMeter(Clock& clock) : clock_(clock) {}
  std::optional<scaling::RawReplica> read_worker_cpu(const ReplicaInfo& worker) const override {
    ++reads;
    return scaling::RawReplica{.id = worker.replica_id, .cpu_seconds = 0.2 * uptime()};
  }
  std::vector<ComponentReading> read_all(const std::vector<ReplicaInfo>& workers) override {
    std::vector<ComponentReading> out{{.component = "gateway", .cpu_seconds = 0.05 * uptime()}};
    for (const auto& worker : workers) {
      out.push_back({.component = "worker",
                     .model = worker.model,
                     .replica = worker.replica_id,
                     .cpu_seconds = 0.2 * uptime(),
                     .memory_bytes = 1000,
                     .private_bytes = 100,
                     .cfs_periods = static_cast<std::uint64_t>(uptime() * 10),
                     .cfs_throttled_periods = static_cast<std::uint64_t>(uptime() * 5)});
    }
    return out;
  }
  mutable int reads = 0;

 private:
  double uptime() const { return to_seconds(clock_.now().time_since_epoch()) - 3600.0; }
  Clock& clock_;
};

class ControlLoopTest : public testing::Test {
 protected:
  void make() {
    loop_.reset();
    scaling::ModelSettings m;
    m.name = "m";
    m.cpu_request = 0.3;
    m.cpu_limit = 0.3;
    m.warm_pool = warm_pool_;
    m.max_warm_pool = 2;
    m.bounds = {
        .min_replicas = 1, .max_replicas = 3, .min_cpu = 0.3, .max_cpu = 0.9, .cpu_ceiling = 0.9};
    auto strategy = std::make_unique<scaling::ScriptedStrategy>();
    strategy_ = strategy.get();
    auto scaler = std::make_unique<scaling::Autoscaler>(std::vector{m}, std::move(strategy),
                                                        scaling::AutoscalerOptions{}, clock_.now());
    loop_ = std::make_unique<ControlLoop>(clock_, control_, actuator_, meter_, std::move(scaler),
                                          ControlLoop::Options{.run_dir = folder_.path()});
    const Status started = loop_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  void come_up(const std::string& id) {
    control_.say(WorkerEvent::Kind::Registered, id);
    control_.say(WorkerEvent::Kind::Ready, id);
    clock_.run_for(Duration{0});
  }
  std::vector<nlohmann::json> lines(const std::string& file) const {
    std::vector<nlohmann::json> out;
    std::istringstream in(read_file(folder_ / file).value());
    for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
    return out;
  }
  nlohmann::json event(const std::string& name, const std::string& replica) const {
    for (const auto& line : lines("decisions.jsonl")) {
      if (line.value("event", "") == name && line["replica"] == replica) return line;
    }
    return nullptr;
  }

  void settle() { clock_.run_for(Duration{0}); }

  int warm_pool_ = 0;
  test::TestFolder folder_;
  VirtualClock clock_;
  FakeControl control_;
  FakeActuator actuator_{clock_};
  FakeMeter meter_{clock_};
  scaling::ScriptedStrategy* strategy_ = nullptr;
  std::unique_ptr<ControlLoop> loop_;
};

TEST_F(ControlLoopTest, StartsAndGivesTheLimitInTheInstantOfReadiness) {
  make();
  ASSERT_EQ(actuator_.calls.size(), 1U);
  EXPECT_EQ(actuator_.calls[0].what, "start m-1");
  EXPECT_FALSE(loop_->all_ready());
  clock_.run_for(milliseconds(137));
  come_up("m-1");
  ASSERT_EQ(actuator_.calls.size(), 2U);
  EXPECT_EQ(actuator_.calls[1].what, "limit m-1");
  EXPECT_EQ(actuator_.calls[1].at, clock_.now()) << "no timer in between";
  EXPECT_TRUE(loop_->all_ready());
  EXPECT_EQ(event("ready", "m-1")["after_ms"], 137.0);
  EXPECT_EQ(event("ready", "m-1")["phases"]["load_ms"], 7.0);
}

TEST_F(ControlLoopTest, MetricsTellTheRuleAndWhatLimitedIt) {
  make();
  come_up("m-1");
  telemetry::Metrics metrics;
  ScalingMetrics series(metrics, *loop_, "none");
  strategy_->next = {.replicas = 9,
                     .reason = "greed",
                     .rule = scaling::Rule::Load,
                     .changed_by = "limits+cooldown"};
  clock_.run_for(seconds(2));
  strategy_->next = {.replicas = 2, .reason = "less", .rule = scaling::Rule::PeakHold};
  clock_.run_for(seconds(1));
  series.update();
  const std::string text = metrics.text();
  const auto expect = [&](const std::string& line) {
    EXPECT_THAT(text, testing::HasSubstr(line + "\n"));
  };
  const std::string rules = R"(spate_decision_rules_total{model="m",rule=")";
  expect(rules + R"(load",strategy="scripted"} 2)");
  expect(rules + R"(peak_hold",strategy="scripted"} 1)");
  for (const char* limit : {"limits", "cooldown", "max_replicas"}) {
    expect(fmt::format(R"(spate_decisions_limited_total{{limit="{}",model="m"}} 2)", limit));
  }
  expect(R"(spate_decisions_limited_total{limit="cpu_ceiling",model="m"} 0)");
  std::vector<nlohmann::json> decisions;
  for (const auto& line : lines("decisions.jsonl")) {
    if (line.contains("direction")) decisions.push_back(line);
  }
  ASSERT_EQ(decisions.size(), 3U);
  EXPECT_EQ(decisions[1]["changed_by"], "limits+cooldown");
  EXPECT_EQ(decisions[1]["clipped_by"], "max_replicas");
  EXPECT_EQ(decisions[2]["rule"], "peak_hold");
  EXPECT_TRUE(decisions[2]["changed_by"].is_null());
}

TEST_F(ControlLoopTest, ADecisionTakesEffectInTheInstantItIsMade) {
  make();
  come_up("m-1");
  strategy_->next = {.replicas = 2, .cpu_limit = 0.45, .max_batch = 4, .reason = "more"};
  actuator_.calls.clear();
  clock_.run_for(seconds(1));
  ASSERT_EQ(actuator_.calls.size(), 2U);
  EXPECT_EQ(actuator_.calls[0].what, "limit m-1");
  EXPECT_EQ(actuator_.calls[1].what, "start m-2");
  const auto decision = [&] {
    for (const auto& line : lines("decisions.jsonl")) {
      if (line.value("direction", "") == "up") return line;
    }
    return nlohmann::json();
  }();
  ASSERT_TRUE(decision.is_object());
  EXPECT_EQ(decision["from"]["replicas"], 1);
  EXPECT_EQ(decision["to"]["replicas"], 2);
  EXPECT_EQ(decision["to"]["cpu_limit"], 0.45);
  EXPECT_EQ(decision["reason"], "more");
  EXPECT_TRUE(decision["clipped_by"].is_null());
  EXPECT_NEAR(decision["unix_s"].get<double>(),
              to_seconds(actuator_.calls[0].at.time_since_epoch()), 1e-3);
  EXPECT_EQ(event("limit_applied", "m-1")["cpu_limit"], 0.3) << "first the one of its start";
  EXPECT_EQ(control_.max_batches, std::vector<int>{4});
  EXPECT_EQ(loop_->log().by_direction().at({"m", "up"}), 1U);
}

TEST_F(ControlLoopTest, ReadsCpuFiveTimesASecondAndTheSeriesOnce) {
  make();
  come_up("m-1");
  clock_.run_for(milliseconds(100));
  meter_.reads = 0;
  clock_.run_for(seconds(10));
  EXPECT_GE(meter_.reads, 40);
  EXPECT_LE(meter_.reads, 70);
  const auto series = lines("series.jsonl");
  ASSERT_GE(series.size(), 10U);
  ASSERT_LE(series.size(), 12U);
  const auto& model = series.back()["models"]["m"];
  EXPECT_EQ(model["ready"], 1);
  EXPECT_EQ(model["cpu_reserved"], 0.3);
  EXPECT_TRUE(model["p99_ms"].is_null()) << "nothing was answered";
  const auto& components = series.back()["components"];
  ASSERT_EQ(components.size(), 2U);
  EXPECT_NEAR(components[0]["cpu_cores"].get<double>(), 0.05, 1e-3);
  EXPECT_EQ(components[1]["replica"], "m-1");
  EXPECT_NEAR(components[1]["cpu_cores"].get<double>(), 0.2, 1e-3);
  EXPECT_NEAR(components[1]["throttled_ratio"].get<double>(), 0.5, 1e-3);
  EXPECT_EQ(components[1]["private_bytes"], 100);
}

TEST_F(ControlLoopTest, TheSeriesShowsTheQuantilesOfItsSecondOnly) {
  make();
  control_.stats_.latency.record(seconds(5), 10);
  clock_.run_for(milliseconds(1500));
  control_.stats_.latency.record(milliseconds(20), 10);
  control_.stats_.ended[static_cast<std::size_t>(gateway::Outcome::Overloaded)] = 3;
  control_.stats_.ended[static_cast<std::size_t>(gateway::Outcome::Expired)] = 2;
  clock_.run_for(seconds(1));
  const auto model = lines("series.jsonl").back()["models"]["m"];
  EXPECT_NEAR(model["p99_ms"].get<double>(), 20.0, 0.2);
  EXPECT_EQ(model["rejected"], nlohmann::json({{"overloaded", 3}}));
  EXPECT_EQ(model["expired"], 2);
}

TEST_F(ControlLoopTest, ARefusedStartIsTriedAgainLater) {
  actuator_.refuse = true;
  make();
  clock_.run_for(milliseconds(100));
  const std::size_t first = actuator_.calls.size();
  EXPECT_EQ(first, 2U) << "the first replacement comes at once, then it backs off";
  actuator_.refuse = false;
  clock_.run_for(seconds(1));
  ASSERT_EQ(actuator_.calls.size(), 3U);
  EXPECT_EQ(actuator_.calls.back().what, "start m-3");
  EXPECT_EQ(loop_->autoscaler().status().at(0).last_failure, "m-2: no room");
  EXPECT_EQ(event("gone", "m-1")["detail"], "no room");
}

TEST_F(ControlLoopTest, ADeadReplicaIsReplacedInTheSameInstant) {
  make();
  come_up("m-1");
  clock_.run_for(milliseconds(333));
  actuator_.exit("m-1", false);
  clock_.run_for(Duration{0});
  EXPECT_EQ(actuator_.calls.back().what, "start m-2");
  EXPECT_EQ(actuator_.calls.back().at, clock_.now());
}

TEST_F(ControlLoopTest, ANewGatewayGoesOnWhereTheOldOneEnded) {
  make();
  come_up("m-1");
  strategy_->next = {.replicas = 2, .reason = "more"};
  clock_.run_for(seconds(1));
  come_up("m-2");
  const std::size_t written = lines("decisions.jsonl").size();
  actuator_.calls.clear();
  make();  // killed and started again; both replicas live on
  EXPECT_TRUE(actuator_.calls.empty()) << actuator_.calls[0].what;
  come_up("m-1");
  come_up("m-2");
  EXPECT_EQ(loop_->autoscaler().status().at(0).ready, 2);
  actuator_.exit("m-2", false);
  clock_.run_for(Duration{0});
  EXPECT_EQ(actuator_.calls.back().what, "start m-3") << "numbers go on";
  EXPECT_GT(lines("decisions.jsonl").size(), written) << "appended";
}

TEST_F(ControlLoopTest, AnUnreadableMemoryIsNoReasonNotToStart) {
  folder_.write("autoscaler.state", "{half");
  make();
  EXPECT_EQ(actuator_.calls.at(0).what, "start m-1");
}

TEST_F(ControlLoopTest, AWorkerThatTheActuatorDoesNotKnowIsKept) {
  WorkerInfo stray;
  stray.replica_id = "m-5";
  stray.model = "m";
  stray.state = scaling::ReplicaState::Ready;
  control_.workers_.push_back(stray);
  make();
  EXPECT_EQ(actuator_.calls.at(0).what, "limit m-5") << "no other is started";
  clock_.run_for(seconds(20));
  EXPECT_EQ(loop_->autoscaler().status().at(0).ready, 1);
}

TEST_F(ControlLoopTest, ShutsDownWhenAllAreGoneOrTimeIsUp) {
  make();
  come_up("m-1");
  std::optional<bool> gone;
  loop_->shut_down(seconds(15), [&](bool all) { gone = all; });
  clock_.run_for(milliseconds(1));
  EXPECT_EQ(actuator_.calls.back().what, "stop m-1");
  EXPECT_EQ(control_.drained, std::vector<std::string>{"m-1"});
  EXPECT_FALSE(gone.has_value());
  actuator_.exit("m-1", true);
  clock_.run_for(milliseconds(1));
  EXPECT_EQ(gone, true);
  EXPECT_FALSE(event("gone", "m-1").is_null());

  make();
  gone.reset();
  loop_->shut_down(seconds(15), [&](bool all) { gone = all; });
  clock_.run_for(milliseconds(14'999));
  EXPECT_FALSE(gone.has_value());
  clock_.run_for(milliseconds(1));
  EXPECT_EQ(gone, false);
}

TEST_F(ControlLoopTest, NoMetricIsReadAfterItsEnd) {
  make();
  loop_.reset();
  const int reads = meter_.reads;
  clock_.run_for(seconds(5));
  EXPECT_EQ(meter_.reads, reads);
}

using Strings = std::vector<std::string>;

TEST_F(ControlLoopTest, AWorkerIsPausedOnceTheGatewaySaysThatItIsIdle) {
  warm_pool_ = 1;
  make();
  come_up("m-1");
  come_up("m-2");
  EXPECT_EQ(control_.parked, Strings{"m-2"});
  EXPECT_EQ(actuator_.calls.back().what, "limit m-2") << "it may still have work";
  EXPECT_FALSE(loop_->all_ready());
  control_.say(WorkerEvent::Kind::Idle, "m-2");
  EXPECT_EQ(actuator_.calls.back().what, "park m-2");
  actuator_.say(ReplicaEvent::Kind::Parked, "m-2");
  settle();
  EXPECT_TRUE(loop_->all_ready());
  EXPECT_TRUE(event("parked", "m-2").is_object());
  meter_.reads = 0;
  clock_.run_for(seconds(2));
  const auto model = lines("series.jsonl").back()["models"]["m"];
  EXPECT_EQ(model["ready"], 1);
  EXPECT_EQ(model["parked"], 1);
  EXPECT_EQ(model["warm_pool"], 1);
  EXPECT_EQ(model["cpu_reserved"], 0.3);
  EXPECT_LE(meter_.reads, 13) << "only the one that serves is read for the strategy";
  EXPECT_EQ(lines("series.jsonl").back()["components"].size(), 3U) << "its memory counts";
}

TEST_F(ControlLoopTest, FromTheDecisionToTheUseOfAParkedWorkerNoTimePasses) {
  warm_pool_ = 1;
  make();
  come_up("m-1");
  come_up("m-2");
  control_.say(WorkerEvent::Kind::Idle, "m-2");
  actuator_.say(ReplicaEvent::Kind::Parked, "m-2");
  settle();
  actuator_.calls.clear();
  strategy_->next = scaling::Target{.replicas = 2, .reason = "more"};
  clock_.run_for(seconds(1));
  ASSERT_GE(actuator_.calls.size(), 1U);
  EXPECT_EQ(actuator_.calls[0].what, "unpark m-2");
  EXPECT_TRUE(control_.unparked.empty()) << "not before it runs";
  const TimePoint woken = clock_.now();
  actuator_.say(ReplicaEvent::Kind::Unparked, "m-2");
  EXPECT_EQ(control_.unparked, Strings{"m-2"}) << "within the same call";
  control_.say(WorkerEvent::Kind::FirstAnswer, "m-2");
  settle();
  EXPECT_EQ(clock_.now(), woken);
  EXPECT_TRUE(event("unparked", "m-2").contains("after_ms"));
  EXPECT_EQ(event("first_answer", "m-2")["detail"], "from the warm pool");
}

TEST_F(ControlLoopTest, AParkThatWaitsForAnswersIsCalledOff) {
  warm_pool_ = 1;
  make();
  come_up("m-1");
  come_up("m-2");
  ASSERT_EQ(control_.parked, Strings{"m-2"});
  strategy_->next = scaling::Target{.replicas = 2, .reason = "more"};
  clock_.run_for(seconds(1));
  const auto asked = [&](const std::string& what) {
    return std::count_if(actuator_.calls.begin(), actuator_.calls.end(),
                         [&](const auto& call) { return call.what == what; });
  };
  EXPECT_EQ(asked("unpark m-2"), 1);
  control_.say(WorkerEvent::Kind::Idle, "m-2");
  settle();
  EXPECT_EQ(asked("park m-2"), 0) << "too late: it is to serve";
}

TEST_F(ControlLoopTest, WhoCannotBePausedIsStoppedAndTheReasonKept) {
  warm_pool_ = 1;
  make();
  come_up("m-1");
  come_up("m-2");
  actuator_.refuse = true;
  control_.say(WorkerEvent::Kind::Idle, "m-2");
  settle();
  EXPECT_NE(event("failed", "m-2")["detail"].get<std::string>().find("it cannot be paused"),
            std::string::npos);
  bool stopped = false;
  for (const auto& call : actuator_.calls) stopped = stopped || call.what == "stop m-2";
  EXPECT_TRUE(stopped);
  EXPECT_EQ(loop_->autoscaler().status()[0].ready, 1);
}

}  // namespace
}  // namespace spate::adapters
