// SPDX-License-Identifier: Apache-2.0
//
// Any text as a scenario. One that is accepted has its demand, its budget and a record that can be
// written.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "spate/base/check.h"
#include "spate/base/config_error.h"
#include "spate/lab/scenario.h"

namespace {

using namespace spate;
using namespace spate::lab;

void check(Scenario scenario) {
  SPATE_CHECK(!scenario.models.empty() && scenario.duration_s > 0.0, "something to run");
  for (auto& m : scenario.models) {
    SPATE_CHECK(m.min_replicas <= m.replicas && m.replicas <= m.max_replicas, "bounds");
    SPATE_CHECK(m.slo_target > 0.0 && m.slo_target <= 1.0, "an objective");
    if (m.needs_capacity) resolve_demand(m, 100.0, scenario.duration_s);
    const double requests = m.profile.total();
    SPATE_CHECK(std::isfinite(requests) && requests >= 0.0, "demand");
  }
  SPATE_CHECK(std::isfinite(check_budget(scenario, 2.0).needed), "a budget");
  (void)effective_json(scenario).dump();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    check(read_scenario_text(text, "fuzz"));
  } catch (const ConfigError&) {
    // A complaint is what a bad file should get; any other exception is a fault.
  }
  return 0;
}
