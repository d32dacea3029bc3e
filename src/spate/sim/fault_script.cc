// SPDX-License-Identifier: Apache-2.0
#include "spate/sim/fault_script.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace spate::sim {
namespace {

using Kind = ScriptedFault::Kind;

constexpr int kMostAtOnce = 1000;

constexpr std::array<std::pair<std::string_view, Kind>, 5> kNames{
    {{"crash", Kind::Crash},
     {"hang", Kind::Hang},
     {"start_failure", Kind::StartFailure},
     {"slow_machine", Kind::SlowMachine},
     {"no_readings", Kind::NoReadings}}};

Kind kind_of(std::string_view name) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.first == name; })
      ->second;
}

std::string_view name_of(Kind kind) {
  return std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return n.second == kind; })
      ->first;
}

bool lasts(Kind kind) { return kind == Kind::SlowMachine || kind == Kind::NoReadings; }

ScriptedFault read_fault(const ConfigReader& in, double duration_s,
                         const std::vector<std::string>& models) {
  ScriptedFault out;
  out.kind = kind_of(
      in.at("kind").one_of({"crash", "hang", "start_failure", "slow_machine", "no_readings"}));
  out.at_s = in.at("at_s").number(0.0, duration_s);
  if (out.kind == Kind::SlowMachine) {
    in.allow_only({"kind", "at_s", "for_s", "speed_ratio"});
    out.speed_ratio = in.at("speed_ratio").number(0.01, 1.0);
  } else if (out.kind == Kind::NoReadings) {
    in.allow_only({"kind", "at_s", "for_s", "model"});
  } else {
    in.allow_only({"kind", "at_s", "model", "count"});
    out.count = static_cast<int>(in.integer_or("count", 1, 1, kMostAtOnce));
  }
  if (lasts(out.kind)) out.for_s = in.at("for_s").number(0.001, duration_s);
  if (const std::string model = in.text_or("model", ""); !model.empty()) {
    const auto found = std::find(models.begin(), models.end(), model);
    if (found == models.end()) in.at("model").fail("a model of this scenario or demand");
    out.model = static_cast<std::size_t>(found - models.begin());
  }
  return out;
}

}  // namespace

std::vector<ScriptedFault> read_fault_script(const ConfigReader& in, double duration_s,
                                             const std::vector<std::string>& models) {
  std::vector<ScriptedFault> out;
  for (const ConfigReader& fault : in.list()) {
    out.push_back(read_fault(fault, duration_s, models));
  }
  return out;
}

nlohmann::json fault_script_json(const std::vector<ScriptedFault>& faults,
                                 const std::vector<std::string>& models) {
  nlohmann::json out = nlohmann::json::array();
  for (const ScriptedFault& fault : faults) {
    nlohmann::json one{{"kind", name_of(fault.kind)}, {"at_s", fault.at_s}};
    if (fault.kind == Kind::SlowMachine) {
      one["speed_ratio"] = fault.speed_ratio;
    } else {
      one["model"] = fault.model == ScriptedFault::kEveryModel
                         ? nlohmann::json()
                         : nlohmann::json(models.at(fault.model));
    }
    if (lasts(fault.kind)) {
      one["for_s"] = fault.for_s;
    } else {
      one["count"] = fault.count;
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace spate::sim
