// SPDX-License-Identifier: Apache-2.0
//
// Series: makes the line a second of series.jsonl (also /api/state's "models" and "components")
// out of totals: the gateway's per model, the meter's per component.
//
// Threads: one at a time.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "spate/adapters/meter.h"
#include "spate/base/histogram.h"
#include "spate/gateway/control.h"
#include "spate/scaling/autoscaler.h"

namespace spate::adapters {

class Series {
 public:
  // The line for `unix_s`, at `now`. Quantiles, CPU and throttling are of the time since the last
  // call; a component's first line has neither.
  nlohmann::ordered_json line(TimePoint now, double unix_s, const gateway::Control& control,
                              const std::vector<scaling::ModelStatus>& models,
                              const std::vector<ComponentReading>& components);

 private:
  nlohmann::ordered_json model_json(const gateway::RouteStats& stats,
                                    const scaling::ModelStatus& status);
  nlohmann::ordered_json component_json(TimePoint now, const ComponentReading& reading);

  struct Before {
    TimePoint at{};
    ComponentReading reading{};
  };
  std::map<std::string, Histogram> latency_;  // by model, at the last line
  std::map<std::string, Before> components_;  // by component/replica, at the last line
};

}  // namespace spate::adapters
