// SPDX-License-Identifier: Apache-2.0
//
// The ports of production autoscalers at their edges, worked out by hand from the originals' rules.
// (unit_scaling_vectors compares them with the originals' own code.)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <numeric>

#include "spate/scaling/production/kpa_autoscaler.h"
#include "spate/scaling/sampler.h"
#include "spate/scaling/strategies.h"

namespace spate::scaling {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// One model with replicas that have long been ready (but for the last few, when the test says so),
// its load set by the test; time passes in
// tenths of a second, each with a reading. Decisions are kept, not carried out.
class Edge {
 public:
  Edge(const std::string& strategy, const std::string& options, int replicas, Bounds bounds)
      : strategy_(builtin_strategies().make(strategy, ConfigReader::from_text(options, "test"))),
        sampler_(strategy_->needs().metrics, {"m"}, start_),
        bounds_(bounds),
        wanted_(replicas) {
    set_replicas(replicas);
    read();
  }

  void set_replicas(int count) {
    in_flight_.resize(static_cast<std::size_t>(count), 0);
    cpu_s_.resize(static_cast<std::size_t>(count), 0.0);
    wanted_ = count;
  }
  // The last `count` replicas are not ready.
  void start(int count) { starting_ = static_cast<std::size_t>(count); }
  void serve(int each) { std::fill(in_flight_.begin(), in_flight_.end(), each); }
  void wait(int queue) {
    arrived_ += queue > queue_ ? static_cast<std::uint64_t>(queue - queue_) : 0;
    queue_ = queue;
  }
  void use_cpu(double cpus_each) { cpus_ = cpus_each; }

  // Passes `for_s`; returns the replicas wanted then.
  int pass(double for_s) {
    for (int i = 0; i < static_cast<int>(for_s * 10.0 + 0.5); ++i) step();
    return wanted_;
  }
  // A tenth of a second without a reading.
  int pass_unread() {
    step(false);
    return wanted_;
  }
  // The tenth of a second at which `replicas` were wanted first; -1 within `for_s` never.
  int tenths_until(int replicas, double for_s) {
    for (int i = 1; i <= static_cast<int>(for_s * 10.0 + 0.5); ++i) {
      step();
      if (wanted_ == replicas) return i;
    }
    return -1;
  }
  int wanted() const { return wanted_; }

 private:
  void read() {
    RawModel raw;
    raw.arrived = arrived_;
    raw.queue_length = queue_;
    raw.in_flight = std::accumulate(in_flight_.begin(), in_flight_.end(), 0);
    for (std::size_t i = 0; i < in_flight_.size(); ++i) {
      RawReplica replica;
      replica.id = fmt::format("r{:02}", i);
      replica.cpu_seconds = cpu_s_[i];
      replica.cpu_request = 1.0;
      replica.in_flight = in_flight_[i];
      raw.replicas.push_back(replica);
    }
    sampler_.read(now_, "m", raw);
  }

  void step(bool reads = true) {
    now_ += milliseconds(100);
    for (double& total : cpu_s_) total += cpus_ / 10.0;
    if (reads) read();
    if ((now_ - start_) % strategy_->needs().tick != Duration{0}) return;
    ModelView view;
    view.model = "m";
    view.bounds = bounds_;
    view.cpu_request = view.cpu_limit = view.initial_cpu_limit = 1.0;
    view.wanted_replicas = wanted_;
    for (std::size_t i = 0; i < in_flight_.size(); ++i) {
      view.replicas.push_back({.id = fmt::format("r{:02}", i),
                               .state = i + starting_ < in_flight_.size() ? ReplicaState::Ready
                                                                          : ReplicaState::Starting,
                               .created = start_ - hours(1),
                               .state_since = start_ - hours(1),
                               .cpu_request = 1.0,
                               .in_flight = in_flight_[i]});
    }
    for (std::size_t i = 0; i < sampler_.specs().size(); ++i) {
      view.metrics.push_back(sampler_.view("m", i, now_));
    }
    wanted_ = strategy_->decide({.now = now_, .models = {view}}).at(0).replicas;
  }

  const TimePoint start_{hours(10)};
  TimePoint now_ = start_;
  std::unique_ptr<Strategy> strategy_;
  Sampler sampler_;
  Bounds bounds_;
  int wanted_ = 0;
  std::size_t starting_ = 0;
  int queue_ = 0;
  std::uint64_t arrived_ = 0;
  double cpus_ = 0.0;
  std::vector<int> in_flight_;
  std::vector<double> cpu_s_;
};

Bounds bounds(int least, int most) {
  Bounds out;
  out.min_replicas = least;
  out.max_replicas = most;
  return out;
}

int hpa_at(double cpus_each, int replicas) {
  Edge edge("hpa_cpu", "{target_utilization_percent: 60, downscale_stabilization_s: 0}", replicas,
            bounds(1, 20));
  edge.use_cpu(cpus_each);
  return edge.pass(45);
}

TEST(ProductionEdges, HpaToleranceAt66Of60) {
  // 66.9 % is cut off to 66 %: 66 / 60 = 1.1 lies within 1 + 0.1. (The old test, |1 - r| <= 0.1,
  // would have made it 5.)
  EXPECT_EQ(hpa_at(0.669, 4), 4);
  EXPECT_EQ(hpa_at(0.671, 4), 5);  // 67 / 60 x 4 = 4.47
}

TEST(ProductionEdges, HpaToleranceAt54Of60) {
  EXPECT_EQ(hpa_at(0.54, 10), 10);  // 0.9 lies within 1 - 0.1
  EXPECT_EQ(hpa_at(0.539, 10), 9);  // 53 / 60 x 10 = 8.83
}

TEST(ProductionEdges, KedaActivatesAboveTheThresholdOnly) {
  Edge edge("keda", "{activation_target: 5, target: 20}", 0, bounds(0, 5));
  edge.wait(5);
  EXPECT_EQ(edge.pass(120), 0);
  edge.wait(6);
  EXPECT_EQ(edge.tenths_until(1, 60), 300);  // at the next polling
}

TEST(ProductionEdges, KedaDeactivatesAfterMoreThanTheCooldown) {
  Edge edge("keda", "{activation_target: 5, target: 20, cooldown_period_s: 60}", 1, bounds(0, 5));
  edge.wait(6);
  EXPECT_EQ(edge.pass(60), 1);
  edge.wait(5);                 // at the threshold is not active
  EXPECT_EQ(edge.pass(60), 1);  // exactly the cooldown is not more than it
  EXPECT_EQ(edge.tenths_until(0, 60), 300);
}

// What is pushed is at most a second old, and the largest of the last second counts.
constexpr const char* kRay =
    "{target_ongoing_requests: 2, upscale_delay_s: 3, downscale_delay_s: 5, "
    "downscale_to_zero_delay_s: 10, look_back_period_s: 1, metrics_interval_s: 0.1, "
    "aggregation_function: max}";

TEST(ProductionEdges, RayUpscaleDelayStartsAgainAfterABreak) {
  Edge edge("ray_serve", kRay, 2, bounds(0, 10));
  edge.serve(2);  // 4 in all: as wanted
  EXPECT_EQ(edge.pass(10), 2);
  edge.serve(4);
  EXPECT_EQ(edge.pass(1.5), 2);
  edge.serve(2);
  EXPECT_EQ(edge.pass(2), 2);
  edge.serve(4);
  EXPECT_EQ(edge.pass(2.8), 2);  // with the first time it would be more than 3 s
  EXPECT_EQ(edge.pass(1.2), 4);
}

TEST(ProductionEdges, RayDownscaleDelayStartsAgainAfterABreak) {
  Edge edge("ray_serve", kRay, 4, bounds(0, 10));
  edge.serve(2);
  EXPECT_EQ(edge.pass(10), 4);
  edge.serve(1);  // 4 in all: 2 are wanted, from a second later
  EXPECT_EQ(edge.pass(4), 4);
  edge.serve(2);
  edge.pass(0.3);
  edge.serve(1);
  EXPECT_EQ(edge.pass(5.5), 4);
  EXPECT_EQ(edge.pass(1), 2);
}

TEST(ProductionEdges, RayToZeroHasItsOwnDelay) {
  Edge edge("ray_serve", kRay, 1, bounds(0, 10));
  edge.serve(2);
  EXPECT_EQ(edge.pass(10), 1);
  edge.serve(0);
  EXPECT_EQ(edge.pass(10.5), 1);
  EXPECT_EQ(edge.pass(1), 0);
}

TEST(ProductionEdges, RayKnowsNoRecordOfAReplicaFromBeforeItsFirstRequest) {
  // Read idle exactly a look-back period before the push at 7 s, and first used after the last
  // record (6 s; that of 7 s is late): its counter, 4, is what is pushed, and 8 in all want 4.
  Edge edge("ray_serve",
            "{target_ongoing_requests: 2, upscale_delay_s: 0, downscale_delay_s: 600, "
            "look_back_period_s: 5, metrics_interval_s: 7}",
            2, bounds(0, 10));
  EXPECT_EQ(edge.pass(6.5), 2);
  edge.serve(4);
  EXPECT_EQ(edge.pass(0.4), 2);
  EXPECT_EQ(edge.pass_unread(), 4);
}

TEST(ProductionEdges, KpaGoesToZeroAfterTheStableWindowAndTheGracePeriod) {
  // The activator comes into the path when the replica is inactive, after 6 s; 5 s more.
  Edge serving("kpa", "{stable_window_s: 6, scale_to_zero_grace_s: 5, target_burst_capacity: 0}", 1,
               bounds(0, 5));
  EXPECT_EQ(serving.tenths_until(0, 60), 110);
  // It has been in the path all the time: at the next look.
  Edge proxied("kpa", "{stable_window_s: 6, scale_to_zero_grace_s: 5}", 1, bounds(0, 5));
  EXPECT_EQ(proxied.tenths_until(0, 60), 61);
  Edge kept("kpa", "{stable_window_s: 6, scale_to_zero_grace_s: 5, pod_retention_s: 20}", 1,
            bounds(0, 5));
  EXPECT_EQ(kept.tenths_until(0, 60), 260);
  Edge never("kpa", "{stable_window_s: 6, scale_to_zero: false}", 1, bounds(0, 5));
  EXPECT_EQ(never.pass(120), 1);
}

TEST(ProductionEdges, KpaComesFromZeroAtTheFirstRequest) {
  Edge edge("kpa", "{stable_window_s: 6, scale_to_zero_grace_s: 5}", 1, bounds(0, 5));
  ASSERT_EQ(edge.pass(30), 0);
  edge.set_replicas(0);
  EXPECT_EQ(edge.pass(9.5), 0);  // between two beats
  edge.wait(1);
  EXPECT_EQ(edge.tenths_until(1, 10), 1);
}

TEST(ProductionEdges, KpaKeepsTheInitialScaleUntilItWasReachedOnce) {
  // scaler.scale and activeThreshold of Knative Serving v0.50.0: until ScaleTargetInitialized the
  // initial scale is the least, whatever is wanted. It is what the model starts with.
  for (const char* options : {"{stable_window_s: 6, scale_to_zero_grace_s: 5}",
                              "{stable_window_s: 6, scale_to_zero_grace_s: 5, initial_scale: 3}"}) {
    Edge edge("kpa", options, 3, bounds(0, 5));
    edge.start(2);
    EXPECT_EQ(edge.pass(60), 3) << options;  // idle for ten stable windows, one ready
    edge.start(0);
    EXPECT_EQ(edge.tenths_until(1, 10), 2) << options;  // seen in one look, acted on in the next
    edge.set_replicas(1);
    EXPECT_EQ(edge.tenths_until(0, 60), 59) << options;  // active since 60 s, for 6 s
  }
  // With an initial scale of 1 the first one ready is enough.
  Edge one("kpa", "{stable_window_s: 6, scale_to_zero_grace_s: 5, initial_scale: 1}", 3,
           bounds(0, 5));
  one.start(2);
  EXPECT_EQ(one.tenths_until(1, 10), 20);
}

TEST(ProductionEdges, KpaWithAnInitialScaleOfZeroWaitsForTheFirstRequest) {
  Edge edge("kpa", "{}", 0, bounds(0, 5));
  EXPECT_EQ(edge.pass(100), 0);
  edge.wait(1);
  EXPECT_EQ(edge.tenths_until(1, 10), 20);  // the autoscaler's next beat: it had no scale yet
}

TEST(ProductionEdges, KpaOfAnUnreachableRevisionKeepsNoLeast) {
  Edge reachable("kpa", "{stable_window_s: 6}", 4, bounds(2, 5));
  EXPECT_EQ(reachable.pass(120), 2);
  Edge left("kpa", "{stable_window_s: 6, reachable: false, pod_retention_s: 600}", 4, bounds(2, 5));
  EXPECT_EQ(left.pass(120), 0);
}

KpaSettings golden() {
  KpaSettings settings;
  settings.target = 7.0;
  settings.stable_s = 10;
  settings.panic_s = 2;
  return settings;
}

TEST(ProductionEdges, KpaPanicsOnTheUnlimitedWantOfThePanicWindow) {
  KpaSettings settings = golden();
  const TimePoint t{seconds(1000)};
  for (const double up_rate : {1000.0, 1.5}) {
    settings.up_rate = up_rate;
    KpaAutoscaler kpa(settings, t, 1);
    // A stable mean of 20, a panic mean of 45.
    for (int i = 0; i < 10; ++i) kpa.record(t + seconds(i), i < 8 ? 13.75 : 45.0);
    const auto scale = kpa.scale(settings, t + seconds(9), 3);
    ASSERT_TRUE(scale);
    EXPECT_DOUBLE_EQ(scale->stable, 20.0);
    EXPECT_DOUBLE_EQ(scale->panic, 45.0);
    // ceil(45 / 7) = 7 of 3 ready are 2.33 times as many, whatever the rate allows.
    EXPECT_TRUE(kpa.panicking());
    EXPECT_EQ(scale->wanted, up_rate > 2.0 ? 7 : 5);
    // It lasts for more than a stable window, and nothing is taken away meanwhile.
    for (int i = 10; i < 21; ++i) kpa.record(t + seconds(i), 1.0);
    EXPECT_EQ(kpa.scale(settings, t + seconds(19), 7)->wanted, scale->wanted);
    EXPECT_EQ(kpa.scale(settings, t + seconds(20), 7)->wanted, 3);  // 7 / 2
    EXPECT_FALSE(kpa.panicking());
  }
}

TEST(ProductionEdges, KpaTakesAtMostHalfAwayAtOnce) {
  const KpaSettings settings = golden();
  const TimePoint t{seconds(1000)};
  KpaAutoscaler kpa(settings, t, 1);
  for (int i = 0; i < 10; ++i) kpa.record(t + seconds(i), 3.0);
  EXPECT_EQ(kpa.scale(settings, t + seconds(9), 10)->wanted, 5);
}

TEST(ProductionEdges, KpaBeginsInPanicWithSeveralReady) {
  const KpaSettings settings = golden();
  const TimePoint t{seconds(1000)};
  KpaAutoscaler kpa(settings, t, 4);
  kpa.record(t + seconds(1), 0.0);
  EXPECT_EQ(kpa.scale(settings, t + seconds(2), 4)->wanted, 4);
  EXPECT_EQ(kpa.scale(settings, t + seconds(12), 4), std::nullopt);  // no data for a window
}

TEST(ProductionEdges, KpaBucketsAverageOverWhatTheyHave) {
  KpaBuckets buckets(6);
  EXPECT_TRUE(buckets.empty(100));
  buckets.record(100, 4.0);
  buckets.record(100, 2.0);  // the same second adds up
  EXPECT_DOUBLE_EQ(buckets.mean(100), 6.0);
  buckets.record(103, 3.0);
  EXPECT_DOUBLE_EQ(buckets.mean(103), 2.25);  // two seconds of the four without a record count
  EXPECT_DOUBLE_EQ(buckets.mean(105), 2.25);  // those after the last do not
  EXPECT_DOUBLE_EQ(buckets.mean(106), 1.0);   // second 100 is out: 3 over three
  EXPECT_DOUBLE_EQ(buckets.mean(109), 0.0);
  EXPECT_FALSE(buckets.empty(109));
  EXPECT_TRUE(buckets.empty(110));
  buckets.record(110, 1.0);
  EXPECT_DOUBLE_EQ(buckets.mean(110), 1.0);  // begun anew
}

}  // namespace
}  // namespace spate::scaling
