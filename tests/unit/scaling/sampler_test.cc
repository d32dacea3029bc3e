// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/sampler.h"

#include <gtest/gtest.h>

#include <cmath>

namespace spate::scaling {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{std::chrono::hours(1)};

MetricSpec spec(Signal signal, Duration period = seconds(1), Duration window = seconds(5)) {
  return {.name = "x", .signal = signal, .period = period, .window = window};
}

RawModel with_replica(double cpu_seconds, double limit = 0.5, int in_flight = 0) {
  RawModel raw;
  raw.replicas.push_back({.id = "m-1",
                          .cpu_seconds = cpu_seconds,
                          .cpu_limit = limit,
                          .cpu_request = 0.25,
                          .in_flight = in_flight});
  return raw;
}

TEST(Sampler, CpuIsADifferenceOfTotalsOverTheWindow) {
  Sampler sampler(
      {spec(Signal::CpuUsage), spec(Signal::CpuOverLimit), spec(Signal::CpuOverRequest)}, {"m"},
      kStart);
  // 0.2 CPU for 3 s, then 0.4 CPU; read five times a second.
  double used = 10.0;
  for (int i = 0; i <= 40; ++i) {
    sampler.read(kStart + milliseconds(200) * i, "m", with_replica(used));
    used += (i < 15 ? 0.2 : 0.4) * 0.2;
  }
  const TimePoint now = kStart + seconds(8);
  const MetricView usage = sampler.view("m", 0, now);
  EXPECT_NEAR(usage.value.value(), 0.4, 1e-9) << "the window (3 s, 8 s] has seen only 0.4";
  EXPECT_EQ(usage.readings, 5);
  EXPECT_EQ(usage.newest, now);
  EXPECT_EQ(usage.covered, seconds(5));
  EXPECT_NEAR(sampler.view("m", 1, now).value.value(), 0.8, 1e-9);
  EXPECT_NEAR(sampler.view("m", 2, now).value.value(), 1.6, 1e-9);
}

TEST(Sampler, TheWindowIsOpenAtItsOldEnd) {
  Sampler sampler({spec(Signal::QueueLength, seconds(1), seconds(5))}, {"m"}, kStart);
  RawModel raw;
  for (int i = 0; i <= 5; ++i) {
    raw.queue_length = i;
    sampler.read(kStart + seconds(i), "m", raw);
  }
  // At 5 s the reading of second 0 has just left.
  EXPECT_EQ(sampler.view("m", 0, kStart + seconds(5)).readings, 5);
  EXPECT_DOUBLE_EQ(sampler.view("m", 0, kStart + seconds(5)).value.value(), 3.0);
  EXPECT_EQ(sampler.view("m", 0, kStart + seconds(9)).readings, 1);
  EXPECT_FALSE(sampler.view("m", 0, kStart + seconds(10)).value.has_value());
}

TEST(Sampler, DelayHidesTheNewest) {
  MetricSpec delayed = spec(Signal::QueueLength, seconds(1), seconds(2));
  delayed.delay = seconds(3);
  Sampler sampler({delayed}, {"m"}, kStart);
  RawModel raw;
  for (int i = 0; i <= 10; ++i) {
    raw.queue_length = i;
    sampler.read(kStart + seconds(i), "m", raw);
  }
  const MetricView view = sampler.view("m", 0, kStart + seconds(10));
  EXPECT_DOUBLE_EQ(view.value.value(), 6.5) << "readings of 6 s and 7 s";
  EXPECT_EQ(view.newest, kStart + seconds(7));
}

TEST(Sampler, GivesEachReplicasOwnSeriesWhenAsked) {
  MetricSpec with = spec(Signal::InFlight, seconds(2), seconds(5));
  with.replica_series = true;
  Sampler sampler({with, spec(Signal::InFlight, seconds(2), seconds(5))}, {"m"}, kStart);
  RawModel raw;
  for (int i = 0; i <= 8; ++i) {
    raw.replicas = {{.id = "a", .in_flight = i}};
    if (i >= 6) raw.replicas.push_back({.id = "b", .in_flight = 10 + i});
    sampler.read(kStart + seconds(i), "m", raw);
  }
  const MetricView view = sampler.view("m", 0, kStart + seconds(8));
  ASSERT_EQ(view.replicas.size(), 2U);
  const auto& a = view.replicas[0].series;
  ASSERT_EQ(a.size(), 3U) << "readings of 4, 6 and 8 s";
  EXPECT_EQ(a[0].at, kStart + seconds(4));
  EXPECT_EQ(a[0].value, 4.0);
  EXPECT_EQ(a[2].value, 8.0);
  EXPECT_EQ(view.replicas[1].series.size(), 2U);
  EXPECT_TRUE(sampler.view("m", 1, kStart + seconds(8)).replicas[0].series.empty());
}

TEST(Sampler, SaysWhenItLastReadEvenIfAReplicaWasMissing) {
  MetricSpec late = spec(Signal::CpuUsage, seconds(15), seconds(30));
  late.delay = seconds(2);
  Sampler sampler({late}, {"m"}, kStart);
  EXPECT_FALSE(sampler.view("m", 0, kStart + seconds(9)).last_read.has_value());
  for (int i = 0; i <= 45; ++i) {
    RawModel raw;
    if (i < 30) raw.replicas = {{.id = "a", .cpu_seconds = 0.5 * i}};  // then it cannot be read
    sampler.read(kStart + seconds(i), "m", raw);
  }
  const MetricView before = sampler.view("m", 0, kStart + seconds(46));
  EXPECT_EQ(before.last_read, kStart + seconds(30)) << "the reading of 45 s is not known yet";
  EXPECT_EQ(before.previous_read, kStart + seconds(15));
  EXPECT_EQ(before.replicas.at(0).newest, kStart + seconds(15));
  EXPECT_EQ(before.replicas.at(0).newest_span, seconds(15));
  EXPECT_EQ(sampler.view("m", 0, kStart + seconds(47)).last_read, kStart + seconds(45));
}

TEST(Sampler, ReadsOnItsOwnGridHoweverOftenItIsFed) {
  Sampler sampler({spec(Signal::QueueLength, seconds(15), seconds(15))}, {"m"}, kStart);
  EXPECT_EQ(sampler.next_due("m"), kStart);
  RawModel raw;
  for (int i = 0; i <= 200; ++i) {
    raw.queue_length = i;
    sampler.read(kStart + milliseconds(100) * i, "m", raw);
  }
  EXPECT_EQ(sampler.view("m", 0, kStart + seconds(20)).value.value(), 150.0)
      << "taken at 15 s, seen until 30 s";
  EXPECT_EQ(sampler.next_due("m"), kStart + seconds(30));
}

TEST(Sampler, AggregatesAreMeanMaxAndLast) {
  MetricSpec mean = spec(Signal::QueueLength);
  MetricSpec max = mean;
  MetricSpec last = mean;
  max.aggregate = Aggregate::Max;
  last.aggregate = Aggregate::Last;
  Sampler sampler({mean, max, last}, {"m"}, kStart);
  RawModel raw;
  int i = 0;
  for (const double queue : {1.0, 9.0, 2.0}) {
    raw.queue_length = queue;
    sampler.read(kStart + seconds(i++), "m", raw);
  }
  const TimePoint now = kStart + seconds(2);
  EXPECT_DOUBLE_EQ(sampler.view("m", 0, now).value.value(), 4.0);
  EXPECT_DOUBLE_EQ(sampler.view("m", 1, now).value.value(), 9.0);
  EXPECT_DOUBLE_EQ(sampler.view("m", 2, now).value.value(), 2.0);
}

TEST(Sampler, APeriodMeanWeighsTheTimeAGaugeHeldAValue) {
  MetricSpec mean = spec(Signal::Concurrency, seconds(1), seconds(1));
  mean.period_mean = true;
  Sampler sampler({mean}, {"m"}, kStart);
  RawModel raw;
  raw.in_flight = 4.0;
  sampler.read(kStart, "m", raw);
  raw.in_flight = 0.0;
  sampler.read(kStart + milliseconds(250), "m", raw);
  sampler.read(kStart + seconds(1), "m", raw);
  EXPECT_DOUBLE_EQ(sampler.view("m", 0, kStart + seconds(1)).value.value(), 1.0);
}

TEST(Sampler, APeriodMeanBeginsAnewWhereAReplicaWasMissing) {
  MetricSpec mean = spec(Signal::InFlight, seconds(1), seconds(5));
  mean.period_mean = true;
  mean.aggregate = Aggregate::Last;
  Sampler sampler({mean}, {"m"}, kStart);
  sampler.read(kStart, "m", with_replica(0.0, 0.5, 0));
  sampler.read(kStart + milliseconds(250), "m", with_replica(0.0, 0.5, 8));
  sampler.read(kStart + seconds(1), "m", RawModel{});  // it is not in this one
  sampler.read(kStart + milliseconds(1500), "m", with_replica(0.0, 0.5, 2));
  sampler.read(kStart + seconds(2), "m", with_replica(0.0, 0.5, 2));
  const MetricView view = sampler.view("m", 0, kStart + seconds(2));
  EXPECT_DOUBLE_EQ(view.value.value(), 5.0);  // 8 for half of the last second, then 2
  EXPECT_EQ(view.replicas.at(0).newest_span, seconds(1));
}

TEST(Sampler, TimeWithoutALimitDoesNotCountAgainstTheLimit) {
  Sampler sampler({spec(Signal::CpuOverLimit, seconds(1), seconds(4))}, {"m"}, kStart);
  sampler.read(kStart, "m", with_replica(0.0, 0.0));
  sampler.read(kStart + seconds(1), "m", with_replica(1.0, 0.0));  // boost: 1 CPU, no limit
  EXPECT_FALSE(sampler.view("m", 0, kStart + seconds(1)).value.has_value());
  sampler.read(kStart + milliseconds(1500), "m", with_replica(1.5, 0.5));  // the limit begins
  sampler.read(kStart + seconds(2), "m", with_replica(1.7, 0.5));
  EXPECT_NEAR(sampler.view("m", 0, kStart + seconds(2)).value.value(), 0.8, 1e-9);
}

TEST(Sampler, RatesCountWhatArrivedWasAnsweredAndRefused) {
  Sampler sampler({spec(Signal::ArrivalRate), spec(Signal::CompletionRate),
                   spec(Signal::RejectionRate), spec(Signal::ServiceTime)},
                  {"m"}, kStart);
  RawModel raw;
  for (int i = 0; i <= 5; ++i) {
    sampler.read(kStart + seconds(i), "m", raw);
    raw.arrived += 20;
    raw.answered += 15;
    raw.refused += 5;
    raw.service_sum_s += 0.3;
  }
  const TimePoint now = kStart + seconds(5);
  EXPECT_NEAR(sampler.view("m", 0, now).value.value(), 20.0, 1e-9);
  EXPECT_NEAR(sampler.view("m", 1, now).value.value(), 15.0, 1e-9);
  EXPECT_NEAR(sampler.view("m", 2, now).value.value(), 5.0, 1e-9);
  EXPECT_NEAR(sampler.view("m", 3, now).value.value(), 0.02, 1e-9);
}

TEST(Sampler, LatencyIsOfTheAnswersInTheWindow) {
  MetricSpec p99 = spec(Signal::LatencyQuantile, seconds(1), seconds(2));
  Sampler sampler({p99}, {"m"}, kStart);
  Histogram all;
  all.record(seconds(9), 1000);  // before the sampler existed
  RawModel raw;
  raw.latency = &all;
  sampler.read(kStart, "m", raw);
  EXPECT_FALSE(sampler.view("m", 0, kStart).value.has_value());
  all.record(milliseconds(100), 50);
  sampler.read(kStart + seconds(1), "m", raw);
  EXPECT_NEAR(sampler.view("m", 0, kStart + seconds(1)).value.value(), 0.1, 0.001);
  all.record(milliseconds(400), 50);
  sampler.read(kStart + seconds(2), "m", raw);
  EXPECT_NEAR(sampler.view("m", 0, kStart + seconds(2)).value.value(), 0.4, 0.004);
  sampler.read(kStart + seconds(3), "m", raw);
  sampler.read(kStart + seconds(4), "m", raw);
  EXPECT_FALSE(sampler.view("m", 0, kStart + seconds(4)).value.has_value())
      << "nothing was answered in the last two seconds";
}

TEST(Sampler, LeavesOutWhatIsAbsurd) {
  Sampler sampler({spec(Signal::CpuUsage), spec(Signal::QueueLength)}, {"m"}, kStart);
  const double odd[] = {1.0, std::nan(""), 1.5, 0.2, 0.7, -3.0, 1.2};
  RawModel raw;
  for (int i = 0; i < 7; ++i) {
    raw = with_replica(odd[i]);
    raw.queue_length = i == 6 ? std::nan("") : 1.0;
    sampler.read(kStart + seconds(i), "m", raw);
  }
  for (int metric : {0, 1}) {
    const auto value =
        sampler.view("m", static_cast<std::size_t>(metric), kStart + seconds(6)).value;
    if (value) {
      EXPECT_TRUE(std::isfinite(*value));
      EXPECT_GE(*value, 0.0);
      EXPECT_LE(*value, 1.0);
    }
  }
  // Back in time: ignored.
  sampler.read(kStart, "m", with_replica(100.0));
  EXPECT_LE(sampler.view("m", 0, kStart + seconds(6)).value.value_or(0.0), 1.0);
}

TEST(Sampler, ReplicasComeGoAndAreForgotten) {
  Sampler sampler({spec(Signal::InFlight)}, {"m"}, kStart);
  RawModel raw = with_replica(0.0, 0.5, 4);
  raw.replicas.push_back({.id = "m-2", .in_flight = 2});
  sampler.read(kStart, "m", raw);
  EXPECT_DOUBLE_EQ(sampler.view("m", 0, kStart).value.value(), 3.0);
  ASSERT_EQ(sampler.view("m", 0, kStart).replicas.size(), 2U);
  EXPECT_EQ(sampler.view("m", 0, kStart).replicas[1].replica, "m-2");
  sampler.forget("m", "m-1");
  EXPECT_DOUBLE_EQ(sampler.view("m", 0, kStart).value.value(), 2.0);
  sampler.forget("m", "m-2");
  EXPECT_EQ(sampler.readings_held(), 0U);
}

// Replicas keep their own readings in whatever order and number they come.
TEST(Sampler, TheOrderOfReplicasIsTheirsToChange) {
  Sampler sampler({spec(Signal::CpuUsage, seconds(1), seconds(1))}, {"m"}, kStart);
  const auto read = [&](int second, const std::vector<std::string>& ids) {
    RawModel raw;
    for (const std::string& id : ids) {
      const double cpus = id == "a" ? 0.1 : (id == "b" ? 0.2 : 0.3);
      raw.replicas.push_back({.id = id, .cpu_seconds = cpus * second, .cpu_limit = 1.0});
    }
    sampler.read(kStart + seconds(second), "m", raw);
  };
  const std::vector<std::vector<std::string>> orders{{"a", "b", "c"}, {"c", "a", "b"}, {"b", "c"},
                                                     {"c", "b"},      {"a", "b", "c"}, {"b", "a"}};
  int second = 0;
  for (int round = 0; round < 3; ++round) {
    for (const auto& ids : orders) {
      read(++second, ids);
      for (const auto& replica : sampler.view("m", 0, kStart + seconds(second)).replicas) {
        const double cpus = replica.replica == "a" ? 0.1 : (replica.replica == "b" ? 0.2 : 0.3);
        EXPECT_NEAR(replica.value, cpus, 1e-9) << replica.replica << " at " << second;
      }
    }
    sampler.forget("m", "b");
    read(++second, {"c", "a"});
  }
}

TEST(Sampler, MemoryIsBoundedByWindowAndHistory) {
  MetricSpec long_history = spec(Signal::ArrivalRate, seconds(1), seconds(5));
  long_history.history = seconds(60);
  Sampler sampler({spec(Signal::CpuUsage), long_history, spec(Signal::LatencyQuantile)}, {"m"},
                  kStart);
  Histogram all;
  std::size_t after_hour = 0;
  for (int i = 0; i < 2 * 3600; ++i) {
    all.record(milliseconds(5));
    RawModel raw = with_replica(i * 0.1);
    raw.latency = &all;
    raw.arrived = static_cast<std::uint64_t>(i) * 7;
    sampler.read(kStart + seconds(i), "m", raw);
    if (i == 3600) after_hour = sampler.readings_held();
  }
  EXPECT_EQ(sampler.readings_held(), after_hour);
  EXPECT_LE(after_hour, 5U + 5U + 60U + 5U);
  const MetricView view = sampler.view("m", 1, kStart + seconds(2 * 3600 - 1));
  ASSERT_EQ(view.history.size(), 60U);
  EXPECT_DOUBLE_EQ(view.history.front().value, 7.0);
  EXPECT_LT(view.history.front().at, view.history.back().at);
}

}  // namespace
}  // namespace spate::scaling
