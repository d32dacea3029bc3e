// SPDX-License-Identifier: Apache-2.0
//
// The capacity page's data: the curve's file, its points in lines of equal CPU and batch, and how
// far each simulated figure lies from its live bracket.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "spate/lab/run_files.h"
#include "spate/report/report.h"

namespace spate::report {
namespace {

using Json = nlohmann::json;
using lab::number_of;

// How far `simulated` lies above the live bracket's upper end (or, negative, below its lower one),
// as a share of that end; 0 within. Null where an open end leaves it unknown.
Json off_bracket(double simulated, const Json& live) {
  const Json& low = lab::child(live, "low_per_s");
  const Json& high = lab::child(live, "high_per_s");
  if (low.is_number() && simulated < low.get<double>()) {
    return simulated / low.get<double>() - 1.0;
  }
  if (high.is_number() && simulated > high.get<double>()) {
    return simulated / high.get<double>() - 1.0;
  }
  return low.is_number() && high.is_number() ? Json(0.0) : Json();
}

Json point_data(const Json& point) {
  const Json& simulated = lab::child(point, "simulated");
  Json out{{"replicas", lab::child(point, "replicas")},
           {"per_s", lab::child(simulated, "per_s")},
           {"low_per_s", lab::child(simulated, "low_per_s")},
           {"high_per_s", lab::child(simulated, "high_per_s")},
           {"fits_machine", lab::child(simulated, "fits_machine")}};
  if (const Json& live = lab::child(point, "live"); live.is_object()) {
    out["live"] = live;
    out["off_bracket_ratio"] = off_bracket(number_of(simulated, "per_s"), live);
  }
  return out;
}

// The element of `list` in which each of `keys` is as in `like`; a new one where there is none.
Json& with_equal(Json& list, const Json& like, std::initializer_list<const char*> keys) {
  for (Json& entry : list) {
    if (std::all_of(keys.begin(), keys.end(),
                    [&](const char* k) { return entry[k] == lab::child(like, k); })) {
      return entry;
    }
  }
  Json fresh = Json::object();
  for (const char* k : keys) fresh[k] = lab::child(like, k);
  list.push_back(std::move(fresh));
  return list.back();
}

}  // namespace

Json capacity_data(const Json& curve) {
  Json out = curve;
  out.erase("points");
  out["models"] = Json::array();
  int configurations = 0;
  int live = 0;
  for (const Json& point : lab::child(curve, "points")) {
    ++configurations;
    live += point.contains("live") ? 1 : 0;
    Json& model =
        with_equal(out["models"], point, {"model", "mode", "slo_latency_ms", "slo_target"});
    if (!model.contains("lines")) model["lines"] = model["impossible"] = Json::array();
    const std::string why = lab::text_of(lab::child(point, "simulated"), "impossible");
    if (!why.empty()) {
      model["impossible"].push_back({{"cpus", point["cpus"]},
                                     {"batch", point["batch"]},
                                     {"replicas", point["replicas"]},
                                     {"why", why}});
      continue;
    }
    Json& line = with_equal(model["lines"], point, {"cpus", "batch"});
    line["points"].push_back(point_data(point));
  }
  for (Json& model : out["models"]) {
    for (Json& line : model["lines"]) {
      std::stable_sort(line["points"].begin(), line["points"].end(),
                       [](const Json& a, const Json& b) {
                         return number_of(a, "replicas") < number_of(b, "replicas");
                       });
    }
  }
  out["configurations"] = configurations;
  out["live_configurations"] = live;
  return out;
}

}  // namespace spate::report
