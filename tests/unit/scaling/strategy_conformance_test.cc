// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "spate/base/files.h"
#include "spate/scaling/strategies.h"
#include "testing/strategy_conformance.h"

namespace spate::scaling {
namespace {

DemandByModel demand_of_the_world() {
  DemandSchedule demand{.step_s = 60.0, .rates_per_s = {}, .capacity_per_s = {}};
  for (int i = 0; i < 200; ++i) demand.rates_per_s.push_back(i % 7);
  return {{"images", demand}, {"rows", demand}};
}

std::vector<StrategyCase> all_builtin() {
  std::vector<StrategyCase> out;
  const StrategyRegistry registry = builtin_strategies(demand_of_the_world());
  for (const auto& name : registry.names()) {
    const auto make = [registry, name] { return registry.make(name, std::nullopt); };
    out.push_back({name, make, registry.find(name, "test").rules});
  }
  return out;
}

// A strategy keeps its contract within every wrapper.
std::vector<StrategyCase> wrapped() {
  std::vector<StrategyCase> out;
  for (const char* list :
       {"[{kind: limits, max_replicas: 3}]", "[{kind: cooldown, out_s: 3, in_s: 20}]",
        "[{kind: dead_band}]", "[{kind: scale_in_guard, step_replicas: 1, every_s: 5}]",
        "[{kind: metrics, delay_s: 4, noise_ratio: 0.1}]", "[{kind: keep_warm, replicas: 1}]",
        "[{kind: cooldown}, {kind: keep_warm, ratio: 0.5}]"}) {
    const std::string options = std::string("{wrap: ") + list + "}";
    out.push_back({"backlog", [options] {
                     return builtin_strategies().make("backlog",
                                                      ConfigReader::from_text(options, "test"));
                   }});
  }
  return out;
}

// Every strategy of ours names a rule that the metrics' documentation explains.
TEST(Rules, AreNamedAndExplained) {
  std::set<std::string_view> names;
  const std::string docs = read_file(std::string(SPATE_SOURCE_DIR) + "/docs/metrics.md").value();
  for (const Rule rule : all_rules()) {
    EXPECT_TRUE(names.insert(to_string(rule)).second) << to_string(rule);
    EXPECT_NE(docs.find("| `" + std::string(to_string(rule)) + "` |"), std::string::npos)
        << to_string(rule) << " is not in docs/metrics.md";
  }
  const StrategyRegistry registry = builtin_strategies(demand_of_the_world());
  for (const auto& info : registry.list()) {
    EXPECT_FALSE(info.rules.empty()) << info.name;
    EXPECT_EQ(std::set<Rule>(info.rules.begin(), info.rules.end()).size(), info.rules.size())
        << info.name;
    EXPECT_EQ(std::count(info.rules.begin(), info.rules.end(), Rule::Unnamed), 0) << info.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Wrapped, StrategyConformance, testing::ValuesIn(wrapped()));

INSTANTIATE_TEST_SUITE_P(Builtin, StrategyConformance, testing::ValuesIn(all_builtin()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace spate::scaling
