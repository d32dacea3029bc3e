// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/threshold.h"

#include <gtest/gtest.h>

namespace spate::scaling {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// One model under a threshold strategy, its metric written by the test.
class ThresholdTest : public testing::Test {
 protected:
  void use(const std::string& name, const std::string& options = "{}") {
    strategy_ = builtin_strategies().make(name, ConfigReader::from_text(options, "test"));
  }

  // One tick later, with CPU use `ratio` on every ready replica, readings covering `covered`.
  Target tick(double ratio, Duration covered = seconds(5)) {
    now_ += seconds(1);
    ModelView view;
    view.model = "images";
    view.bounds = bounds_;
    view.cpu_request = 0.3;
    view.cpu_limit = cpu_limit_;
    view.initial_cpu_limit = 0.3;
    view.wanted_replicas = wanted_;
    view.replicas = replicas_;
    MetricView metric;
    for (const auto& replica : replicas_) {
      if (replica.state != ReplicaState::Ready) continue;
      metric.replicas.push_back({.replica = replica.id,
                                 .value = ratio,
                                 .newest = now_ - staleness_,
                                 .readings = 5,
                                 .covered = covered});
    }
    if (drop_reading_ && !metric.replicas.empty()) metric.replicas.pop_back();
    view.metrics.push_back(metric);
    const auto targets = strategy_->decide({.now = now_, .models = {view}});
    EXPECT_EQ(targets.size(), 1U);
    last_ = targets.at(0);
    wanted_ = last_.replicas;
    if (last_.cpu_limit) cpu_limit_ = *last_.cpu_limit;
    return last_;
  }

  void replica(ReplicaState state) {
    replicas_.push_back({.id = "images-" + std::to_string(replicas_.size() + 1),
                         .state = state,
                         .created = now_,
                         .state_since = now_});
  }
  void make_ready(std::size_t i) {
    replicas_[i].state = ReplicaState::Ready;
    replicas_[i].state_since = now_;
  }
  // Ticks until the fresh window is over.
  void settle(double ratio = 0.5) {
    for (int i = 0; i < 5; ++i) tick(ratio);
  }

  std::unique_ptr<Strategy> strategy_;
  TimePoint now_{std::chrono::hours(1)};
  Bounds bounds_{
      .min_replicas = 1, .max_replicas = 3, .min_cpu = 0.3, .max_cpu = 0.9, .cpu_ceiling = 0.9};
  int wanted_ = 1;
  double cpu_limit_ = 0.3;
  std::vector<ReplicaView> replicas_;
  Duration staleness_{0};
  bool drop_reading_ = false;
  Target last_;
};

TEST_F(ThresholdTest, StepsUpAtHighAndDownAtLowAndHoldsBetween) {
  use("horizontal");
  replica(ReplicaState::Ready);
  settle();
  EXPECT_EQ(tick(0.7999).replicas, 1);
  EXPECT_EQ(tick(0.80).replicas, 2);
  EXPECT_EQ(last_.reason, "CPU 0.80 of limit over 5 s is at or above 0.80");
  replica(ReplicaState::Ready);
  settle(0.36);
  EXPECT_EQ(tick(0.3501).replicas, 2);
  EXPECT_EQ(tick(0.35).replicas, 1);
  EXPECT_EQ(last_.reason, "CPU 0.35 of limit over 5 s is at or below 0.35");
}

TEST_F(ThresholdTest, AfterAStepReadingsFromBeforeItDoNotCount) {
  use("horizontal");
  replica(ReplicaState::Ready);
  settle();
  ASSERT_EQ(tick(1.0).replicas, 2);
  replica(ReplicaState::Starting);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(tick(1.0).replicas, 2) << last_.reason;
    EXPECT_EQ(last_.reason, "hold: waiting for a replica that starts");
  }
  make_ready(1);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(tick(1.0).replicas, 2) << "tick " << i << ": " << last_.reason;
  }
  EXPECT_EQ(tick(1.0).replicas, 3) << last_.reason;
}

TEST_F(ThresholdTest, WithoutWaitingTheFreshWindowBeginsAtTheDecision) {
  use("horizontal", "{wait_for_ready: false}");
  replica(ReplicaState::Ready);
  settle();
  ASSERT_EQ(tick(1.0).replicas, 2);
  replica(ReplicaState::Starting);  // it never becomes ready
  for (int i = 0; i < 4; ++i) EXPECT_EQ(tick(1.0).replicas, 2) << last_.reason;
  EXPECT_EQ(tick(1.0).replicas, 3) << "five fresh readings; the starting one is counted";
}

TEST_F(ThresholdTest, StopsAtTheBoundsAndSaysSo) {
  use("horizontal");
  for (int i = 0; i < 3; ++i) replica(ReplicaState::Ready);
  wanted_ = 3;
  settle();
  EXPECT_EQ(tick(1.0).replicas, 3);
  EXPECT_NE(last_.reason.find("3 replicas is the most allowed"), std::string::npos);
  replicas_.resize(1);
  wanted_ = 1;
  EXPECT_EQ(tick(0.0).replicas, 1);
  EXPECT_NE(last_.reason.find("1 replicas is the least allowed"), std::string::npos);
}

TEST_F(ThresholdTest, TheCeilingBoundsReplicasOfLargerLimits) {
  use("horizontal");
  cpu_limit_ = 0.45;
  replica(ReplicaState::Ready);
  replica(ReplicaState::Ready);
  wanted_ = 2;
  settle();
  EXPECT_EQ(tick(1.0).replicas, 2) << "a third would need 1.35 of 0.9 CPU";
}

TEST_F(ThresholdTest, VerticalStepsByOneReplicasLimit) {
  use("vertical");
  replica(ReplicaState::Ready);
  settle();
  EXPECT_DOUBLE_EQ(tick(0.9).cpu_limit.value(), 0.6);
  EXPECT_EQ(last_.replicas, 1);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(tick(0.9).cpu_limit.has_value()) << "fresh window";
  EXPECT_DOUBLE_EQ(tick(0.9).cpu_limit.value(), 0.9);
  settle();
  EXPECT_FALSE(tick(1.0).cpu_limit.has_value());
  EXPECT_NE(last_.reason.find("0.9 CPU is the most allowed"), std::string::npos) << last_.reason;
  EXPECT_DOUBLE_EQ(tick(0.1).cpu_limit.value(), 0.6);
  settle();
  EXPECT_DOUBLE_EQ(tick(0.1).cpu_limit.value(), 0.3);
  settle();
  EXPECT_FALSE(tick(0.1).cpu_limit.has_value());
}

TEST_F(ThresholdTest, StepsAreSettable) {
  use("vertical", "{step_cpus: 0.25}");
  replica(ReplicaState::Ready);
  settle();
  EXPECT_DOUBLE_EQ(tick(0.9).cpu_limit.value(), 0.55);

  use("horizontal", "{step_replicas: 5, high_ratio: 0.6, low_ratio: 0.1}");
  cpu_limit_ = 0.3;
  settle(0.5);
  EXPECT_EQ(tick(0.6).replicas, 3) << "a step of five, cut to the most allowed";
}

TEST_F(ThresholdTest, HoldsOnWhatItCannotTrust) {
  use("horizontal");
  replica(ReplicaState::Ready);
  settle();
  EXPECT_EQ(tick(1.0, milliseconds(4400)).replicas, 1) << "less than a window";
  EXPECT_EQ(last_.reason, "hold: CPU readings of images-1 cover 4.4 s of 5 s");
  staleness_ = milliseconds(2001);
  EXPECT_EQ(tick(1.0).replicas, 1) << "stale";
  EXPECT_EQ(last_.reason, "hold: the newest CPU reading of images-1 is 2.0 s old");
  staleness_ = seconds(2);
  EXPECT_EQ(tick(1.0).replicas, 2) << "two sampling periods old is just fresh enough";
}

TEST_F(ThresholdTest, HoldsWhenOneReplicaCannotBeRead) {
  use("horizontal");
  replica(ReplicaState::Ready);
  replica(ReplicaState::Ready);
  wanted_ = 2;
  settle();
  drop_reading_ = true;
  EXPECT_EQ(tick(1.0).replicas, 2);
  EXPECT_EQ(last_.reason, "hold: no CPU reading of images-2");
  replicas_.clear();
  EXPECT_EQ(tick(1.0).reason, "hold: no replica is ready");
}

TEST_F(ThresholdTest, DrainingReplicasAreNotAsked) {
  use("horizontal");
  replica(ReplicaState::Ready);
  replica(ReplicaState::Draining);
  settle();
  EXPECT_EQ(tick(0.9).replicas, 2);
}

}  // namespace
}  // namespace spate::scaling
