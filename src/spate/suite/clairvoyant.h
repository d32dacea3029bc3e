// SPDX-License-Identifier: Apache-2.0
//
// Clairvoyant: what one who knows a demand in advance can do with it, found by search in the
// simulator: per model an exact plan over (replicas x CPU) with headroom (judge::search_schedule),
// carried out in the real simulator. What it finds is feasible, so the least cost at which the
// objective can be met lies between a demand's lower bound and this. docs/bounds.md explains.
//
// Threads: find_clairvoyants() starts its own and joins them.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spate/base/result.h"
#include "spate/judge/bound.h"
#include "spate/scaling/strategy.h"
#include "spate/suite/suite.h"

namespace spate::suite {

struct Clairvoyant {
  std::string demand;
  // The plan that the dynamic programme makes for exactly the demand, by its own account of slots
  // without queues; money. The second is below every plan's that misses no more than the objective.
  double plan_cost = 0.0;
  double plan_lower_cost = 0.0;
  double slot_s = 0.0;
  std::size_t configurations = 0;  // of all models
  // The schedule that was found, simulated with every seed: the mean cost, and the smallest share
  // in time of any model and seed. Unset: none kept the objective; `why` says so.
  std::optional<double> cost;
  double attainment = 0.0;
  double headroom = 0.0;  // of the model that needed the largest
  int evaluations = 0;    // simulated schedules, each with every seed
  std::string why;
};

// At most `evaluations` schedules per model are simulated (each with every seed). Equal inputs give
// equal results. Requires evaluations >= 2.
Clairvoyant find_clairvoyant(const Suite& suite, const Demand& demand, int evaluations);

struct ClairvoyantOptions {
  std::filesystem::path out;  // results are kept in <out>/clairvoyant/<demand>.json
  int evaluations = 16;
  int threads = 1;
  bool fresh = false;
  std::string version;
  std::function<void(const Clairvoyant&, std::size_t done, std::size_t total, bool kept)> progress;
};
// Of every demand, in the suite's order. Errors: a file that cannot be written.
Result<std::vector<Clairvoyant>> find_clairvoyants(const Suite& suite,
                                                   const ClairvoyantOptions& options);

nlohmann::json to_json(const Clairvoyant& found);
std::optional<Clairvoyant> clairvoyant_from_json(const nlohmann::json& json);

// --- parts, for tests ------------------------------------------------------------------------

// The ways to run `model`: every number of replicas and a few CPU limits within its bounds, with
// the capacity that the simulator measures for each limit. At most 512.
std::vector<judge::Configuration> configurations_of(const Suite& suite, const SuiteModel& model);

// What a schedule wants of one model from a time on (of the measured window).
struct Wish {
  double at_s = 0.0;
  int replicas = 0;
  double cpu_limit = 0.0;
};
// Replicas are started `lead_s` before the slot that needs them and let go when it is over.
std::vector<Wish> wishes_of(const judge::BoundProblem& problem, const judge::Schedule& schedule,
                            double lead_s);

// Does what `wishes` say, by model in the order of the observation. Before begin() it holds; the
// first decision after it is at `begins_at_s` of the window (the warm-up: negative).
class FollowWishes final : public scaling::Strategy {
 public:
  FollowWishes(std::vector<std::vector<Wish>> wishes, double begins_at_s);
  void begin() { begun_ = true; }

  std::string_view name() const override { return "clairvoyant"; }
  const scaling::Needs& needs() const override { return needs_; }
  std::vector<scaling::Target> decide(const scaling::Observation& seen) override;
  std::string snapshot() const override { return ""; }
  Status restore(std::string_view) override { return ok(); }

 private:
  std::vector<std::vector<Wish>> wishes_;
  double begins_at_s_;
  scaling::Needs needs_;
  bool begun_ = false;
  std::optional<TimePoint> from_;
};

}  // namespace spate::suite
