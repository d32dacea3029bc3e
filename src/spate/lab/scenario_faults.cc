// SPDX-License-Identifier: Apache-2.0
//
// The `faults` of a scenario (docs/scenario.md).
#include <fmt/format.h>

#include "spate/base/config_error.h"
#include "spate/lab/scenario.h"

namespace spate::lab {
namespace {

constexpr int kMostAtOnce = 1000;

FaultScenario read_fault(const ConfigReader& in, const Scenario& scenario) {
  FaultScenario out;
  out.kind =
      in.at("kind").one_of({"crash", "hang", "start_failure", "slow_machine", "no_readings"});
  out.at_s = in.at("at_s").number(0.0, scenario.duration_s);
  if (out.kind == "slow_machine") {
    in.allow_only({"kind", "at_s", "for_s", "speed_ratio"});
    out.speed_ratio = in.at("speed_ratio").number(0.01, 1.0);
  } else if (out.kind == "no_readings") {
    in.allow_only({"kind", "at_s", "for_s", "model"});
  } else {
    in.allow_only({"kind", "at_s", "model", "count"});
    out.count = static_cast<int>(in.integer_or("count", 1, 1, kMostAtOnce));
  }
  if (out.kind == "slow_machine" || out.kind == "no_readings") {
    out.for_s = in.at("for_s").number(0.001, scenario.duration_s);
  }
  out.model = in.text_or("model", "");
  if (!out.model.empty() && scenario.find_model(out.model) == nullptr) {
    in.at("model").fail("a model of this scenario");
  }
  return out;
}

}  // namespace

std::vector<FaultScenario> read_faults(const ConfigReader& in, const Scenario& scenario) {
  std::vector<FaultScenario> out;
  for (const ConfigReader& fault : in.list()) out.push_back(read_fault(fault, scenario));
  return out;
}

nlohmann::json faults_json(const std::vector<FaultScenario>& faults) {
  nlohmann::json out = nlohmann::json::array();
  for (const FaultScenario& fault : faults) {
    nlohmann::json one{{"kind", fault.kind}, {"at_s", fault.at_s}};
    if (fault.for_s > 0.0) one["for_s"] = fault.for_s;
    if (fault.kind == "slow_machine") {
      one["speed_ratio"] = fault.speed_ratio;
    } else {
      one["model"] = fault.model.empty() ? nlohmann::json() : nlohmann::json(fault.model);
    }
    if (fault.for_s <= 0.0) one["count"] = fault.count;
    out.push_back(std::move(one));
  }
  return out;
}

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
