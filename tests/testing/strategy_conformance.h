// SPDX-License-Identifier: Apache-2.0
//
// What every strategy must keep, whatever its rule. A strategy of the built-in list is in by
// itself (tests/unit/scaling/strategy_conformance_test.cc); one of your own adds a line:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, StrategyConformance, testing::Values(StrategyCase{
//       "mine", [] { return std::make_unique<Mine>(); }}));
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "spate/base/rng.h"
#include "spate/scaling/limits.h"
#include "spate/scaling/strategy.h"

namespace spate::scaling {

struct StrategyCase {
  std::string name;
  std::function<std::unique_ptr<Strategy>()> make;
  // Those that its decisions may name; empty: not looked at.
  std::vector<Rule> rules{};
};

inline bool may_name(const StrategyCase& c, Rule rule) {
  return c.rules.empty() || std::find(c.rules.begin(), c.rules.end(), rule) != c.rules.end();
}

inline std::ostream& operator<<(std::ostream& out, const StrategyCase& c) { return out << c.name; }

// A world in which decisions take effect at once and metrics are whatever a test says.
class ScriptedWorld {
 public:
  explicit ScriptedWorld(const Needs& needs, std::uint64_t seed = 1)
      : needs_(needs), rng_(seed, "conformance") {}

  enum class Metrics { Plausible, Empty, Stale, Missing, Absurd };

  Observation observe(Metrics kind) {
    now_ += needs_.tick;
    Observation seen{.now = now_, .models = {}};
    for (const char* name : {"images", "rows"}) seen.models.push_back(model(name, kind));
    return seen;
  }

  // Time passes unseen (a host that slept, or a long run looked at now and then).
  void pass(Duration time) { now_ += time; }

  // Anything an autoscaler could be shown, in no relation to earlier observations: any replicas in
  // any states, metrics of which some are there and some are not, ticks that were missed.
  Observation observe_anything() {
    static constexpr Metrics kKinds[] = {Metrics::Plausible, Metrics::Plausible, Metrics::Empty,
                                         Metrics::Stale,     Metrics::Missing,   Metrics::Absurd};
    now_ += needs_.tick * static_cast<int>(1 + rng_.uniform() * (rng_.uniform() < 0.1 ? 500 : 2));
    Observation seen{.now = now_, .models = {}};
    for (const char* name : {"images", "rows"}) {
      ModelView view = model(name, Metrics::Empty);
      randomize(view);
      view.metrics.clear();
      for (const MetricSpec& spec : needs_.metrics) {
        view.metrics.push_back(metric(spec, view, kKinds[pick(6)]));
        if (!view.metrics.back().replicas.empty() && rng_.uniform() < 0.2) {
          view.metrics.back().replicas.pop_back();
        }
      }
      seen.models.push_back(std::move(view));
    }
    return seen;
  }

  // Puts decisions in force, as the autoscaler would.
  void apply(const Observation& seen, const std::vector<Target>& targets) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const ModelView& view = seen.models[i];
      const Limited limited =
          apply_limits(view.bounds, targets[i].replicas,
                       targets[i].cpu_limit.value_or(view.cpu_limit), view.cpu_limit);
      State& state = states_[i];
      if (limited.replicas != state.replicas) state.changed = now_;
      state.replicas = limited.replicas;
      state.cpu_limit = limited.cpu_limit;
    }
  }

  static Bounds bounds() {
    return {
        .min_replicas = 1, .max_replicas = 5, .min_cpu = 0.2, .max_cpu = 1.0, .cpu_ceiling = 1.5};
  }

 private:
  struct State {
    int replicas = 2;
    double cpu_limit = 0.3;
    TimePoint changed{};
  };

  std::size_t pick(std::size_t count) {
    return static_cast<std::size_t>(rng_.uniform() * static_cast<double>(count)) % count;
  }

  void randomize(ModelView& view) {
    static constexpr ReplicaState kStates[] = {ReplicaState::Ready, ReplicaState::Ready,
                                               ReplicaState::Starting, ReplicaState::Draining,
                                               ReplicaState::Parked};
    view.replicas.clear();
    const auto count = pick(9);
    for (std::size_t i = 0; i < count; ++i) {
      const TimePoint since = now_ - from_seconds(rng_.uniform() * 600.0);
      view.replicas.push_back({.id = view.model + "-" + std::to_string(i + 1),
                               .state = kStates[pick(5)],
                               .created = since,
                               .state_since = since,
                               .cpu_request = 0.3,
                               .cpu_limit = view.cpu_limit,
                               .in_flight = static_cast<int>(pick(5))});
    }
    view.wanted_replicas = view.bounds.min_replicas + static_cast<int>(pick(5));
    view.cpu_limit = 0.2 + 0.8 * rng_.uniform();
    for (std::size_t i = pick(17); i > 0; --i) {
      view.start_ups.push_back(from_seconds(rng_.uniform() * 60.0));
    }
  }

  double value(Metrics kind) {
    if (kind != Metrics::Absurd) return std::pow(10.0, 4.0 * rng_.uniform() - 1.0) * kScale;
    const double odd[] = {std::numeric_limits<double>::quiet_NaN(),
                          std::numeric_limits<double>::infinity(), -1.0,
                          -std::numeric_limits<double>::infinity(), 1e300};
    return odd[static_cast<std::size_t>(rng_.uniform() * 5.0) % 5];
  }

  ModelView model(const std::string& name, Metrics kind) {
    const State& state = states_[name == "images" ? 0 : 1];
    ModelView view;
    view.model = name;
    view.bounds = bounds();
    view.slo_latency_s = 0.5;
    view.slo_target = 0.95;
    view.cpu_request = 0.3;
    view.cpu_limit = state.cpu_limit;
    view.initial_cpu_limit = 0.3;
    view.wanted_replicas = state.replicas;
    for (int i = 0; i < state.replicas; ++i) {
      view.replicas.push_back({.id = name + "-" + std::to_string(i + 1),
                               .state = ReplicaState::Ready,
                               .created = state.changed,
                               .state_since = state.changed,
                               .cpu_request = 0.3,
                               .cpu_limit = state.cpu_limit});
    }
    for (const MetricSpec& spec : needs_.metrics) view.metrics.push_back(metric(spec, view, kind));
    return view;
  }

  MetricView metric(const MetricSpec& spec, const ModelView& view, Metrics kind) {
    MetricView out;
    if (kind == Metrics::Empty) return out;
    out.newest = now_ - spec.delay;
    out.last_read = out.newest;
    out.previous_read = out.newest - spec.period;
    if (kind == Metrics::Stale) out.newest -= spec.window + 100 * spec.period;
    out.readings = static_cast<int>(std::max<std::int64_t>(1, spec.window / spec.period));
    out.covered = spec.window;
    if (is_per_replica(spec.signal)) {
      double sum = 0.0;
      for (const auto& replica : view.replicas) {
        if (kind == Metrics::Missing) break;  // not one replica could be read
        out.replicas.push_back({.replica = replica.id,
                                .value = value(kind),
                                .newest = out.newest,
                                .readings = out.readings,
                                .newest_span = spec.period,
                                .covered = out.covered});
        sum += out.replicas.back().value;
      }
      if (!out.replicas.empty()) out.value = sum / static_cast<double>(out.replicas.size());
    } else if (kind != Metrics::Missing) {
      out.value = value(kind);
    }
    if (spec.history > Duration{0} && out.value) {
      for (TimePoint at = now_ - spec.history + spec.period; at <= now_; at += spec.period) {
        out.history.push_back({at, *out.value});
      }
    }
    return out;
  }

  const Needs needs_;
  Rng rng_;
  static constexpr double kScale = 0.2;  // values from 0.02 to 200, as many small as large
  TimePoint now_{std::chrono::hours(1)};
  State states_[2];
};

// What makes a target one that no strategy may give; "" for a good one.
inline std::string wrong_target(const Target& target) {
  if (target.replicas < 0 || target.replicas > 1'000'000) return "replicas";
  if (target.cpu_limit && !(std::isfinite(*target.cpu_limit) && *target.cpu_limit > 0.0)) {
    return "cpu_limit";
  }
  if (target.max_batch && *target.max_batch < 1) return "max_batch";
  if (target.warm_pool && *target.warm_pool < 0) return "warm_pool";
  if (target.reason.empty()) return "no reason";
  // Holding, it may quote an absurd reading.
  if (target.reason.rfind("hold", 0) != 0 && target.reason.find("nan") != std::string::npos) {
    return "nan in the reason";
  }
  return "";
}

class StrategyConformance : public testing::TestWithParam<StrategyCase> {
 protected:
  using Metrics = ScriptedWorld::Metrics;
  static constexpr Metrics kAllKinds[] = {Metrics::Plausible, Metrics::Empty, Metrics::Stale,
                                          Metrics::Missing, Metrics::Absurd};

  static void expect_same(const std::vector<Target>& a, const std::vector<Target>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].replicas, b[i].replicas);
      EXPECT_EQ(a[i].cpu_limit, b[i].cpu_limit);
      EXPECT_EQ(a[i].max_batch, b[i].max_batch);
      EXPECT_EQ(a[i].variant, b[i].variant);
      EXPECT_EQ(a[i].warm_pool, b[i].warm_pool);
      EXPECT_EQ(a[i].reason, b[i].reason);
    }
  }
};

TEST_P(StrategyConformance, HasANameAndATick) {
  const auto strategy = GetParam().make();
  EXPECT_EQ(strategy->name(), GetParam().name);
  EXPECT_GT(strategy->needs().tick, Duration{0});
  for (const auto& metric : strategy->needs().metrics) {
    EXPECT_FALSE(metric.name.empty());
    EXPECT_GT(metric.period, Duration{0});
    EXPECT_GE(metric.window, metric.period);
  }
}

TEST_P(StrategyConformance, EqualObservationsGiveEqualDecisions) {
  const auto one = GetParam().make();
  const auto other = GetParam().make();
  ScriptedWorld world(one->needs());
  for (int i = 0; i < 500; ++i) {
    const Observation seen = world.observe(kAllKinds[(i / 50) % 5]);
    const auto decided = one->decide(seen);
    expect_same(decided, other->decide(seen));
    world.apply(seen, decided);
  }
}

TEST_P(StrategyConformance, DecisionsAreOnePerModelFiniteAndWithinBounds) {
  const auto strategy = GetParam().make();
  ScriptedWorld world(strategy->needs(), 7);
  for (int i = 0; i < 1000; ++i) {
    const Observation seen = world.observe(kAllKinds[(i / 20) % 5]);
    const auto decided = strategy->decide(seen);
    ASSERT_EQ(decided.size(), seen.models.size());
    for (const auto& target : decided) EXPECT_EQ(wrong_target(target), "") << target.reason;
    world.apply(seen, decided);
  }
}

TEST_P(StrategyConformance, HoldsOnMetricsItCannotUse) {
  for (const Metrics kind : {Metrics::Empty, Metrics::Stale, Metrics::Missing, Metrics::Absurd}) {
    const auto strategy = GetParam().make();
    ScriptedWorld world(strategy->needs(), 3);
    for (int i = 0; i < 100; ++i) {
      const Observation seen = world.observe(kind);
      const auto decided = strategy->decide(seen);
      ASSERT_EQ(decided.size(), seen.models.size());
      for (std::size_t m = 0; m < decided.size(); ++m) {
        EXPECT_EQ(decided[m].replicas, seen.models[m].wanted_replicas)
            << "metrics of kind " << static_cast<int>(kind) << ": " << decided[m].reason;
        EXPECT_NEAR(decided[m].cpu_limit.value_or(seen.models[m].cpu_limit),
                    seen.models[m].cpu_limit, 1e-9);
      }
    }
  }
}

TEST_P(StrategyConformance, RestoringASnapshotChangesNoLaterDecision) {
  auto strategy = GetParam().make();
  ScriptedWorld world(strategy->needs(), 11);
  for (int i = 0; i < 400; ++i) {
    const Observation seen = world.observe(i % 40 < 30 ? Metrics::Plausible : Metrics::Empty);
    if (i % 7 == 0) {
      auto reborn = GetParam().make();
      const Status restored = reborn->restore(strategy->snapshot());
      ASSERT_TRUE(restored) << restored.error().message;
      EXPECT_EQ(reborn->snapshot(), strategy->snapshot());
      expect_same(reborn->decide(seen), strategy->decide(seen));
      strategy = std::move(reborn);
      continue;
    }
    world.apply(seen, strategy->decide(seen));
  }
}

TEST_P(StrategyConformance, RefusesASnapshotThatIsNone) {
  const auto strategy = GetParam().make();
  if (strategy->snapshot() == "{}" && strategy->needs().metrics.empty()) return;  // no memory
  EXPECT_FALSE(strategy->restore("not a snapshot"));
}

TEST_P(StrategyConformance, MemoryIsBounded) {
  const auto strategy = GetParam().make();
  ScriptedWorld world(strategy->needs(), 5);
  std::size_t early = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Observation seen = world.observe(Metrics::Plausible);
    world.apply(seen, strategy->decide(seen));
    if (i == 5'000) early = strategy->snapshot().size();
  }
  EXPECT_LE(strategy->snapshot().size(), early * 2 + 1024);
}

TEST_P(StrategyConformance, MemoryIsBoundedOverAYear) {
  const auto strategy = GetParam().make();
  ScriptedWorld world(strategy->needs(), 13);
  std::size_t early = 0;
  // A look every hour or so, with a few ticks in a row, for 365 days.
  for (int hour = 0; hour < 365 * 24; ++hour) {
    for (int i = 0; i < 2; ++i) {
      const Observation seen = world.observe(Metrics::Plausible);
      world.apply(seen, strategy->decide(seen));
    }
    world.pass(std::chrono::hours(1));
    if (hour == 60 * 24) early = strategy->snapshot().size();
  }
  EXPECT_LE(strategy->snapshot().size(), early * 3 / 2 + 1024);
}

TEST_P(StrategyConformance, SurvivesAnythingItCouldBeShown) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    auto strategy = GetParam().make();
    const auto twin = GetParam().make();
    ScriptedWorld world(strategy->needs(), seed);
    for (int i = 0; i < 300; ++i) {
      const Observation seen = world.observe_anything();
      const auto decided = strategy->decide(seen);
      ASSERT_EQ(decided.size(), seen.models.size());
      for (const auto& target : decided) {
        ASSERT_EQ(wrong_target(target), "") << target.reason;
        ASSERT_TRUE(may_name(GetParam(), target.rule))
            << to_string(target.rule) << ": " << target.reason;
      }
      expect_same(decided, twin->decide(seen));
      if (i % 50 == 49) {
        const std::string memory = strategy->snapshot();
        strategy = GetParam().make();
        ASSERT_TRUE(strategy->restore(memory));
      }
    }
  }
}

TEST_P(StrategyConformance, ModelsDoNotInfluenceEachOther) {
  const auto together = GetParam().make();
  const auto alone = GetParam().make();
  ScriptedWorld world(together->needs(), 17);
  for (int i = 0; i < 300; ++i) {
    const Observation seen = world.observe(Metrics::Plausible);
    const auto decided = together->decide(seen);
    const auto single = alone->decide({.now = seen.now, .models = {seen.models[1]}});
    ASSERT_EQ(single.size(), 1U);
    expect_same({decided.at(1)}, single);
    world.apply(seen, decided);
  }
}

}  // namespace spate::scaling
