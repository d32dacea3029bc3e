// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "spate/scaling/strategies.h"
#include "testing/strategy_conformance.h"

namespace spate::scaling {
namespace {

std::vector<StrategyCase> all_builtin() {
  std::vector<StrategyCase> out;
  const StrategyRegistry registry = builtin_strategies();
  for (const auto& name : registry.names()) {
    out.push_back({name, [registry, name] { return registry.make(name, std::nullopt); }});
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Builtin, StrategyConformance, testing::ValuesIn(all_builtin()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace spate::scaling
