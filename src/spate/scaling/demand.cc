// SPDX-License-Identifier: Apache-2.0
#include "spate/scaling/demand.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace spate::scaling {

double DemandSchedule::rate(double t_s) const { return peak(t_s, t_s); }

double DemandSchedule::peak(double from_s, double to_s) const {
  const double last = static_cast<double>(rates_per_s.size()) - 1.0;
  const double from = std::max(0.0, std::floor(from_s / step_s));
  const double to = std::min(last, std::floor(to_s / step_s));
  double out = 0.0;
  for (double i = from; i <= to; i += 1.0) {
    out = std::max(out, rates_per_s[static_cast<std::size_t>(i)]);
  }
  return out;
}

double DemandSchedule::peak() const {
  return rates_per_s.empty() ? 0.0 : *std::max_element(rates_per_s.begin(), rates_per_s.end());
}

double DemandSchedule::mean() const {
  if (rates_per_s.empty()) return 0.0;
  return std::accumulate(rates_per_s.begin(), rates_per_s.end(), 0.0) /
         static_cast<double>(rates_per_s.size());
}

DemandByModel read_demand(const ConfigReader& reader) {
  DemandByModel out;
  for (const auto& model : reader.keys()) {
    const ConfigReader node = reader.at(model);
    node.allow_only({"step_s", "rates_per_s", "capacity_per_s"});
    DemandSchedule schedule;
    schedule.step_s = node.at("step_s").number(1e-3, 1e6);
    for (const auto& rate : node.at("rates_per_s").list()) {
      schedule.rates_per_s.push_back(rate.number(0.0, 1e9));
    }
    if (schedule.rates_per_s.empty()) node.at("rates_per_s").fail("at least one rate");
    if (const auto capacity = node.find("capacity_per_s")) {
      schedule.capacity_per_s = capacity->number(1e-6, 1e9);
    }
    out.emplace(model, std::move(schedule));
  }
  return out;
}

}  // namespace spate::scaling
