// SPDX-License-Identifier: Apache-2.0
#include "spate/suite/week.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "spate/base/check.h"

namespace spate::suite {
namespace {

constexpr int kDays = 7;
constexpr int kWorkDays = 5;
constexpr std::int64_t kMostSteps = 200'000;

}  // namespace

influx::Profile read_demand_profile(const ConfigReader& in, const influx::ProfileContext& context) {
  if (in.at("kind").text() != "week") return influx::read_profile(in, context);
  in.allow_only({"kind", "trough", "peak", "day_s", "weekend_ratio", "step_s"});
  const double trough = in.at("trough").number(0.0, 1e9);
  const double peak = in.at("peak").number(trough, 1e9);
  const double day_s = in.number_or("day_s", 86'400.0, 60.0, 86'400.0);
  const double weekend = in.number_or("weekend_ratio", 0.5, 0.0, 10.0);
  const double step_s = in.number_or("step_s", day_s / 96.0, 1.0, day_s);
  SPATE_CHECK(context.duration_s.has_value(), "suites state the length of every demand");
  const auto steps = static_cast<std::int64_t>(std::ceil(*context.duration_s / step_s));
  if (steps > kMostSteps) in.complain("more than 200 000 steps: choose a larger step_s");
  nlohmann::json profile{{"kind", "steps"}, {"steps", nlohmann::json::array()}};
  for (std::int64_t i = 0; i < steps; ++i) {
    const double t = (static_cast<double>(i) + 0.5) * step_s;
    const double in_day = t / day_s - std::floor(t / day_s);
    const bool works = static_cast<int>(std::floor(t / day_s)) % kDays < kWorkDays;
    const double rate = trough + (peak - trough) * 0.5 * (1.0 - std::cos(2.0 * M_PI * in_day));
    profile["steps"].push_back({{"for_s", step_s}, {"rate", works ? rate : weekend * rate}});
  }
  return influx::read_profile(ConfigReader::from_text(profile.dump(), in.where()), context);
}

}  // namespace spate::suite
