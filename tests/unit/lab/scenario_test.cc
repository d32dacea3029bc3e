// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spate/base/config_error.h"

namespace spate::lab {
namespace {

using testing::HasSubstr;

const char* const kSmall = R"(name: small
models:
  m:
    model: var/models/m
    dataset: var/datasets/d
    slo: {latency_ms: 200, target: 0.9}
    demand:
      profile: {kind: steps, steps: [{for_s: 10, rate: 0.5}, {for_s: 20, rate: 2.5}]}
    cpu_request: 0.2
    scaled: true
    bounds: {max_replicas: 4, max_cpu: 0.8}
  fixed:
    model: var/models/f
    dataset: var/datasets/d
    slo: {latency_ms: 100, target: 0.99}
    demand: {profile: {kind: constant, rate_per_s: 20}, arrivals: {kind: gamma, cv: 2}}
    cpu_request: 0.1
    cpu_limit: 0.25
    replicas: 2
strategies:
  eager: {kind: horizontal, options: {high_ratio: 0.6}}
)";

std::string error_of(const std::string& text) {
  try {
    (void)read_scenario_text(text, "s.yaml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Scenario, AProgramStandsForAStrategy) {
  const Scenario s =
      read_scenario_text(std::string(kSmall) + "  mine: {external: python3 mine.py}\n", "s.yaml");
  const StrategyChoice mine = s.strategy("mine");
  EXPECT_EQ(mine.kind, "external");
  EXPECT_EQ(mine.options_json, R"({"command":"python3 mine.py"})");
}

TEST(Scenario, ReadsModelsWithDefaults) {
  const Scenario s = read_scenario_text(kSmall, "s.yaml");
  EXPECT_EQ(s.name, "small");
  EXPECT_DOUBLE_EQ(s.duration_s, 30.0) << "as long as the longest profile";
  ASSERT_EQ(s.models.size(), 2U);
  const ModelScenario& m = s.models[0];
  EXPECT_TRUE(m.needs_capacity);
  EXPECT_DOUBLE_EQ(m.cpu_limit, 0.2) << "the request, where no limit is given";
  EXPECT_DOUBLE_EQ(m.deadline_ms, 200.0) << "the objective, where no deadline is given";
  EXPECT_EQ(m.min_replicas, 1);
  EXPECT_DOUBLE_EQ(m.min_cpu, 0.2);
  EXPECT_DOUBLE_EQ(m.cpu_ceiling, 0.8);
  const ModelScenario& f = s.models[1];
  EXPECT_FALSE(f.needs_capacity);
  EXPECT_DOUBLE_EQ(f.profile.rate(3.0), 20.0);
  EXPECT_EQ(f.arrivals_json, R"({"kind":"gamma","cv":2})");
}

TEST(Scenario, AWarmPoolIsOutsideTheBoundsOfWhatServes) {
  Scenario s = read_scenario_text(
      with(kSmall, "cpu_request: 0.2", "cpu_request: 0.2\n    warm_pool: 5"), "s.yaml");
  EXPECT_EQ(s.models[0].warm_pool, 5);
  EXPECT_EQ(s.models[0].max_warm_pool, 5);
  EXPECT_EQ(s.models[1].max_warm_pool, 0) << "not scaled: it stays as it is";
  const BudgetCheck without = check_budget(read_scenario_text(kSmall, "s.yaml"), 4.0);
  const BudgetCheck budget = check_budget(s, 4.0);
  EXPECT_DOUBLE_EQ(budget.needed, without.needed) << "who is parked uses no CPU";
  EXPECT_THAT(budget.arithmetic, HasSubstr("5 parked m: memory, no CPU"));
  EXPECT_THAT(error_of(with(kSmall, "cpu_request: 0.2", "cpu_request: 0.2\n    warm_pool: 65")),
              HasSubstr("warm_pool"));
  EXPECT_THAT(error_of(with(with(kSmall, "cpu_request: 0.2", "cpu_request: 0.2\n    warm_pool: 2"),
                            "max_cpu: 0.8", "max_warm_pool: 1")),
              HasSubstr("warm_pool <= max_warm_pool"));
}

TEST(Scenario, WrappersAreAnOptionOfTheStrategy) {
  const std::string wrapped =
      with(kSmall, "options: {high_ratio: 0.6}}",
           "options: {high_ratio: 0.6}, wrap: [{kind: cooldown, in_s: 30}]}");
  EXPECT_EQ(read_scenario_text(wrapped, "s.yaml").strategy("eager").options_json,
            R"({"high_ratio":0.6,"wrap":[{"kind":"cooldown","in_s":30}]})");
  EXPECT_NE(error_of(with(kSmall, "options: {high_ratio: 0.6}}", "wrap: {kind: cooldown}}"))
                .find("expected a list of wrappers"),
            std::string::npos);
}

TEST(Scenario, LabelsOfStrategies) {
  const Scenario s = read_scenario_text(kSmall, "s.yaml");
  EXPECT_EQ(s.strategy("eager").kind, "horizontal");
  EXPECT_EQ(s.strategy("eager").options_json, R"({"high_ratio":0.6})");
  EXPECT_EQ(s.strategy("vertical").kind, "vertical");
  EXPECT_EQ(s.strategy("vertical").options_json, "{}");
}

TEST(Scenario, DemandInCapacitiesBecomesRequestsPerSecond) {
  Scenario s = read_scenario_text(kSmall, "s.yaml");
  resolve_demand(s.models[0], 6.0, s.duration_s);
  EXPECT_DOUBLE_EQ(s.models[0].profile.rate(5.0), 3.0);
  EXPECT_DOUBLE_EQ(s.models[0].profile.rate(15.0), 15.0);
  s.models[0].capacity = nlohmann::json{{"per_s", 6.0}};
  const auto json = effective_json(s);
  const auto& demand = json["models"]["m"]["demand"];
  EXPECT_DOUBLE_EQ(demand["profile"]["steps"][1]["rate_per_s"], 15.0);
  EXPECT_EQ(demand["surges"].size(), 1U);
  EXPECT_DOUBLE_EQ(demand["surges"][0]["from_s"], 10.0);
  EXPECT_DOUBLE_EQ(demand["capacity"]["per_s"], 6.0);
  EXPECT_EQ(json["model_order"], (nlohmann::json{"m", "fixed"}));
}

TEST(Scenario, AnUnknownKeyNamesFileLinePathAndTheNearestKey) {
  EXPECT_THAT(error_of(with(kSmall, "latency_ms: 200", "latency_m: 200")),
              AllOf(HasSubstr("s.yaml:6"), HasSubstr("models.m.slo.latency_m"),
                    HasSubstr("did you mean \"latency_ms\"")));
}

TEST(Scenario, WrongTypesAndRangesAreRefused) {
  EXPECT_THAT(
      error_of(with(kSmall, "target: 0.9}", "target: 95%}")),
      AllOf(HasSubstr("s.yaml:6: models.m.slo.target"), HasSubstr("[0.001, 1]"), HasSubstr("95%")));
  EXPECT_THAT(error_of(with(kSmall, "rate: 2.5", "rate: -1")), HasSubstr("steps[1].rate"));
  EXPECT_THAT(error_of(with(kSmall, "cpu_limit: 0.25", "cpu_limit: 0.05")),
              AllOf(HasSubstr("models.fixed.cpu_limit"), HasSubstr("below cpu_request")));
  EXPECT_THAT(error_of(with(kSmall, "max_cpu: 0.8", "max_cpu: 0.1")),
              HasSubstr("min_cpu <= cpu_limit <= max_cpu"));
  EXPECT_THAT(error_of(with(kSmall, "max_replicas: 4", "min_replicas: 2")),
              HasSubstr("min_replicas <= replicas <= max_replicas"));
  EXPECT_THAT(error_of(with(kSmall, "max_cpu: 0.8", "cpu_ceiling: 0.1")),
              HasSubstr("above cpu_ceiling"));
  EXPECT_THAT(error_of(with(kSmall, "kind: gamma, cv: 2", "kind: poisson, cv: 2")),
              HasSubstr("poisson arrivals have no cv of their own"));
  EXPECT_THAT(error_of(with(kSmall, "  fixed:", "  Fixed!:")), HasSubstr("is no name"));
}

TEST(Scenario, BoundsNeedAScaledModel) {
  EXPECT_THAT(error_of(with(kSmall, "    scaled: true\n", "")),
              HasSubstr("only a model with `scaled: true` has bounds"));
}

TEST(Scenario, AProfileWithoutAnEndNeedsADuration) {
  const std::string endless = R"(models:
  f:
    model: a
    dataset: b
    slo: {latency_ms: 100, target: 0.99}
    demand: {profile: {kind: constant, rate_per_s: 20}}
    cpu_request: 0.1
)";
  EXPECT_THAT(error_of(endless), HasSubstr("duration_s"));
  EXPECT_DOUBLE_EQ(read_scenario_text(endless + "duration_s: 7\n", "s.yaml").duration_s, 7.0);
}

TEST(Scenario, MissingKeysAreNamed) {
  EXPECT_THAT(error_of("name: x\n"), HasSubstr("\"models\""));
  EXPECT_THAT(error_of("models: {}\n"), HasSubstr("at least one model"));
  EXPECT_THAT(error_of(with(kSmall, "    cpu_request: 0.2\n", "")), HasSubstr("\"cpu_request\""));
}

TEST(Budget, SumsCeilingsFixedLimitsAndTheReserve) {
  const Scenario s = read_scenario_text(kSmall, "s.yaml");
  const BudgetCheck fits = check_budget(s, 2.0);
  EXPECT_DOUBLE_EQ(fits.needed, 0.8 + 2 * 0.25 + 0.5);
  EXPECT_TRUE(fits.fits);
  const BudgetCheck tight = check_budget(s, 1.5);
  EXPECT_FALSE(tight.fits);
  EXPECT_THAT(tight.arithmetic, AllOf(HasSubstr("0.80 CPU"), HasSubstr("2 x 0.25"),
                                      HasSubstr("1.80 CPU  does not fit in the 1.5 CPU")));
}

TEST(Budget, MayBeSmallerButNotLargerThanTheMachine) {
  const Scenario s =
      read_scenario_text(std::string(kSmall) + "machine: {cores: 4, reserve: 0.2}\n", "s.yaml");
  EXPECT_TRUE(check_budget(s, 8.0).fits);
  const BudgetCheck small = check_budget(s, 2.0);
  EXPECT_FALSE(small.fits);
  EXPECT_THAT(small.arithmetic, HasSubstr("this machine has 2 CPU"));
}

TEST(Budget, ExactlyFullFits) {
  const Scenario s =
      read_scenario_text(std::string(kSmall) + "machine: {reserve: 0.7}\n", "s.yaml");
  EXPECT_TRUE(check_budget(s, 2.0).fits) << "0.8 + 0.5 + 0.7, which binary fractions miss";
}

class ShippedScenario : public testing::TestWithParam<const char*> {};

TEST_P(ShippedScenario, ReadsAndFitsTwoCores) {
  const Scenario s =
      read_scenario(std::filesystem::path(SPATE_SOURCE_DIR) / "scenarios" / GetParam());
  EXPECT_EQ(s.name + ".yaml", std::filesystem::path(GetParam()).filename());
  EXPECT_EQ(s.models.size(), 3U);
  EXPECT_TRUE(check_budget(s, 2.0).fits) << check_budget(s, 2.0).arithmetic;
  const ModelScenario* image = s.find_model("resnet50");
  ASSERT_NE(image, nullptr);
  EXPECT_DOUBLE_EQ(image->max_replicas * image->cpu_limit, image->cpu_ceiling);
  EXPECT_DOUBLE_EQ(image->max_cpu, image->cpu_ceiling);
}

INSTANTIATE_TEST_SUITE_P(All, ShippedScenario,
                         testing::Values("seed.yaml", "demo.yaml", "smoke.yaml",
                                         "validate/seed.yaml", "validate/step.yaml",
                                         "validate/burst.yaml", "validate/sine.yaml"));

TEST(ShippedScenarios, HaveTheOriginalShape) {
  const auto phases = [](const char* file) {
    Scenario s = read_scenario(std::filesystem::path(SPATE_SOURCE_DIR) / "scenarios" / file);
    ModelScenario m = *s.find_model("resnet50");
    resolve_demand(m, 1.0, s.duration_s);
    std::vector<std::pair<double, double>> out;
    for (const auto& p : m.profile.phases()) out.emplace_back(p.to_s - p.from_s, p.rate_per_s);
    return out;
  };
  using Shape = std::vector<std::pair<double, double>>;
  EXPECT_EQ(phases("seed.yaml"), (Shape{{60, 0.5}, {120, 2.5}, {120, 0.5}, {120, 2.5}}));
  EXPECT_EQ(phases("demo.yaml"), (Shape{{15, 0.5}, {30, 2.5}, {30, 0.5}, {30, 2.5}}));
}

}  // namespace
}  // namespace spate::lab
