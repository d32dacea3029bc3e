// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <set>

#include "spate/base/config_error.h"
#include "spate/suite/parallel.h"
#include "testing/test_folder.h"

namespace spate::suite {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// Steps that one replica cannot serve. `late` looks at 40 s of CPU and asks for nearly all of it,
// so almost any other setting is better.
const char* const kTiny = R"(
name: tiny
seeds: [1, 2]
warm_up_s: 5
model_defaults:
  service: {cpu_ms: 50}
  start: {spawn_ms: 100, load_cpu_ms: 500, cv: 0}
  slo: {latency_ms: 300, target: 0.9}
  replicas: 1
  bounds: {min_replicas: 1, max_replicas: 3, min_cpu: 1.0, max_cpu: 1.0, cpu_ceiling: 3.0}
strategies:
  late: {kind: horizontal, options: {high_ratio: 0.99, window_s: 40}}
demands:
  early:
    duration_s: 120
    models: {m: {profile: {kind: steps, steps: [{for_s: 20, rate: 0.5}, {for_s: 100, rate: 1.8}]}}}
  late:
    duration_s: 120
    models: {m: {profile: {kind: steps, steps: [{for_s: 50, rate: 0.5}, {for_s: 70, rate: 2.2}]}}}
  mild:
    duration_s: 120
    models: {m: {profile: {kind: steps, steps: [{for_s: 40, rate: 0.6}, {for_s: 80, rate: 1.6}]}}}
)";

class Tune : public testing::Test {
 protected:
  // Read once: a replica's capacity is measured then.
  static void SetUpTestSuite() {
    const test::TestFolder folder;
    suite_ = read_suite(folder.write("tiny.yaml", kTiny), scaling::builtin_strategies());
  }
  static void TearDownTestSuite() { suite_.reset(); }

  static TuneOptions options() {
    TuneOptions out;
    out.budget = 50;
    out.test_seeds = 2;
    out.threads = 2;
    out.parameters = {"high_ratio", "window_s"};
    return out;
  }
  static std::optional<Suite> suite_;
  scaling::StrategyRegistry registry_ = scaling::builtin_strategies();
};

std::optional<Suite> Tune::suite_;

TEST_F(Tune, FindsWhatIsBetterAndSaysSoFromWhatItNeverSaw) {
  const Suite& suite = *suite_;
  const Tuned t = tune(suite, suite.strategies[0], registry_, options());
  EXPECT_LT(t.training_best, t.training_before);
  EXPECT_LE(t.cells, 50);
  EXPECT_GE(t.candidates, 3);
  ASSERT_TRUE(t.demands_held_out);
  EXPECT_EQ(t.test_demands.size(), 1U);
  EXPECT_EQ(t.training_demands.size(), 2U);
  EXPECT_THAT(t.training_demands, Not(Contains(t.test_demands[0])));
  for (const auto seed : t.test_seeds) EXPECT_THAT(suite.seeds, Not(Contains(seed)));
  EXPECT_EQ(t.verdict, TuneVerdict::Better) << tuned_text(t);
  EXPECT_LT(t.ratio.high, 1.0);
  EXPECT_LE(t.ratio.low, t.ratio.mean);
  EXPECT_LE(t.ratio.mean, t.ratio.high);
  EXPECT_NEAR(t.ratio.mean, t.test_best / t.test_before, 1e-9);
  EXPECT_EQ(t.demands_better, 1U);
  EXPECT_THAT(tuned_text(t), HasSubstr("Better than before on demands and seeds"));

  // What it writes is a scenario's or a suite's `strategies`.
  const std::string yaml = tuned_yaml(t, suite.strategies[0], "spate tune late tiny.yaml");
  const auto entry = ConfigReader::from_text(yaml, "tuned").at("strategies").at("late_tuned");
  EXPECT_EQ(entry.at("kind").text(), "horizontal");
  EXPECT_NO_THROW((void)registry_.make("horizontal", entry.find("options"), "tuned"));
  EXPECT_EQ(entry.at("options").at("window_s").number(), [&] {
    for (std::size_t i = 0; i < t.numbers.size(); ++i) {
      if (t.numbers[i].name == "window_s") return t.best[i];
    }
    return -1.0;
  }());
}

TEST_F(Tune, EqualSeedsFindTheSameInAnyNumberOfThreads) {
  const Suite& suite = *suite_;
  TuneOptions one = options();
  one.budget = 40;
  one.threads = 1;
  TuneOptions three = one;
  three.threads = 3;
  const Tuned a = tune(suite, suite.strategies[0], registry_, one);
  const Tuned b = tune(suite, suite.strategies[0], registry_, three);
  EXPECT_EQ(a.options_json, b.options_json);
  EXPECT_EQ(a.test_best, b.test_best);
  EXPECT_EQ(a.ratio.low, b.ratio.low);
  EXPECT_EQ(tuned_text(a), tuned_text(b));
}

TEST_F(Tune, SaysSoWhenTheDataCannotTell) {
  // What it may change changes nothing here: one replica is all there may be.
  Suite suite = *suite_;
  for (auto& demand : suite.demands) demand.models[0].sim.settings.bounds.max_replicas = 1;
  TuneOptions o = options();
  o.budget = 30;
  o.parameters = {"low_ratio"};
  const Tuned t = tune(suite, suite.strategies[0], registry_, o);
  EXPECT_EQ(t.verdict, TuneVerdict::CannotTell);
  EXPECT_EQ(t.best[0], t.numbers[0].start) << "of equals, what stood stays";
  EXPECT_THAT(tuned_text(t), HasSubstr("No better than the defaults"));
}

TEST_F(Tune, BadSettingsAreNamed) {
  const Suite& suite = *suite_;
  const auto error = [&](TuneOptions o) -> std::string {
    try {
      (void)tune(suite, suite.strategies[0], registry_, o);
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "no error";
  };
  TuneOptions o = options();
  o.budget = 5;
  EXPECT_THAT(error(o),
              HasSubstr("--budget 5: too few cells for 3 candidates on 4 training cells"));
  o = options();
  o.parameters = {"high_ration"};
  EXPECT_THAT(error(o), HasSubstr("did you mean \"high_ratio\"?"));
  o.parameters = {"high_ratio=0.5"};
  EXPECT_THAT(error(o), HasSubstr("expected LOW..HIGH within 0.01 to 10"));
  o.parameters = {"high_ratio=0.5..20"};
  EXPECT_THAT(error(o), HasSubstr("within 0.01 to 10"));
  o.parameters = {"step_cpus"};
  EXPECT_THAT(error(o), HasSubstr("no number \"step_cpus\""));
}

TEST(SearchSpace, HasTheNumbersThatShapeDecisions) {
  const auto registry = scaling::builtin_strategies();
  const auto names = [&](const std::string& strategy, const std::string& options) {
    std::set<std::string> out;
    const SearchSpace space(registry.find(strategy, "test"),
                            ConfigReader::from_text(options, "test"), {});
    for (const auto& n : space.numbers()) out.insert(n.name);
    return out;
  };
  EXPECT_THAT(
      names("horizontal", "{}"),
      testing::UnorderedElementsAre("high_ratio", "low_ratio", "window_s", "step_replicas"));
  EXPECT_THAT(names("hpa_cpu", "{}"), testing::UnorderedElementsAre("target_utilization_percent",
                                                                    "downscale_stabilization_s"));
  EXPECT_THAT(names("hpa_cpu", "{behavior: true}"), Contains("up_pods_period_s"));
}

TEST(SearchSpace, GoesFromAnEighthToEightTimesWithinWhatIsAllowed) {
  const auto registry = scaling::builtin_strategies();
  const SearchSpace space(registry.find("backlog", "test"), std::nullopt,
                          {"utilisation_ratio", "drain_s", "scale_in_s=1..100"});
  ASSERT_EQ(space.size(), 3U);
  EXPECT_EQ(space.numbers()[0].high, 1.0);
  EXPECT_EQ(space.numbers()[1].low, 5.0 / 8.0);
  EXPECT_EQ(space.numbers()[1].high, 40.0);
  EXPECT_EQ(space.numbers()[2].low, 1.0);
  // Logarithmic: the middle is the geometric mean; three digits.
  EXPECT_NEAR(space.values({0.0, 0.5, 0.5})[1], 5.0, 1e-9);
  EXPECT_NEAR(space.values({0.0, 0.5, 0.5})[2], 10.0, 1e-9);
  const auto start = space.values(space.start());
  EXPECT_NEAR(start[0], 0.7, 1e-9);
  EXPECT_NEAR(start[2], 30.0, 1e-9);
  EXPECT_EQ(space.options_json({0.5, 2.0, 3.0}),
            R"({"utilisation_ratio":0.5,"drain_s":2.0,"scale_in_s":3.0})");
}

TEST(ForEachIndex, DoesEachOnceAndThrowsTheFirstError) {
  std::vector<std::atomic<int>> done(100);
  for_each_index(done.size(), 4, [&](std::size_t i) { ++done[i]; });
  for (const auto& d : done) EXPECT_EQ(d, 1);
  EXPECT_THROW(for_each_index(10, 3,
                              [](std::size_t i) {
                                if (i == 5) throw ConfigError("five");
                              }),
               ConfigError);
}

}  // namespace
}  // namespace spate::suite
