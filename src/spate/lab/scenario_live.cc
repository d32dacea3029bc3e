// SPDX-License-Identifier: Apache-2.0
//
// What only a simulated run can do of a scenario.
#include <fmt/format.h>

#include "spate/base/config_error.h"
#include "spate/lab/scenario.h"

namespace spate::lab {

void require_live(const Scenario& scenario) {
  if (!scenario.machine.more.empty()) {
    throw ConfigError(fmt::format(
        "scenario {} has machine.more ({} further machines): a live run has this machine only; "
        "`spate simulate` has as many as are listed",
        scenario.name, scenario.machine.more.size()));
  }
  if (scenario.faults.empty()) return;
  throw ConfigError(fmt::format(
      "scenario {} has faults ({} of them): only `spate simulate` can make them; a live run needs "
      "a scenario without",
      scenario.name, scenario.faults.size()));
}

}  // namespace spate::lab
