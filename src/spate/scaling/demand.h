// SPDX-License-Identifier: Apache-2.0
//
// DemandSchedule: what will be asked of a model, for the baselines that see it. No other strategy
// gets it. Live it comes from the gateway's settings, where the lab puts the scenario's profile;
// the simulator passes the same.
//
// Its time runs from the first arrival on, so that nothing but the demand itself has to agree on
// a clock: the warm-up before the measured window is part of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/config_reader.h"

namespace spate::scaling {

struct DemandSchedule {
  double step_s = 1.0;              // > 0
  std::vector<double> rates_per_s;  // mean over each step; not empty
  // Requests per second that one replica at the scenario's CPU limit serves within the
  // objective, when that was measured.
  std::optional<double> capacity_per_s;

  double rate(double t_s) const;  // 0 outside
  // The largest rate from one time to another, both included.
  double peak(double from_s, double to_s) const;
  double peak() const;
  double mean() const;
};

using DemandByModel = std::map<std::string, DemandSchedule, std::less<>>;

// {"<model>": {"step_s": 1, "rates_per_s": [...], "capacity_per_s": 4.2}}. Throws ConfigError.
DemandByModel read_demand(const ConfigReader& reader);

}  // namespace spate::scaling
