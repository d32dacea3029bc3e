// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

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
    out.push_back({name, [registry, name] { return registry.make(name, std::nullopt); }});
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

INSTANTIATE_TEST_SUITE_P(Wrapped, StrategyConformance, testing::ValuesIn(wrapped()));

INSTANTIATE_TEST_SUITE_P(Builtin, StrategyConformance, testing::ValuesIn(all_builtin()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace spate::scaling
