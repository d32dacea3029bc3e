// SPDX-License-Identifier: Apache-2.0
//
// Validate: the same scenarios live and simulated, with the same requests and the capacity that
// the live runs measured. In `out`:
//
//   <scenario>/live/        as `spate compare` writes it
//   <scenario>/simulated/   as `spate simulate` writes it, a run for each live one
//
// Live runs that are there and valid are not made again, so a set may be made in several goes.
//
// Threads: the loop's thread (live runs are processes).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spate/lab/compare.h"
#include "spate/lab/run_files.h"
#include "spate/lab/scenario.h"
#include "spate/lab/validate_speed.h"
#include "spate/lab/validation.h"
#include "spate/sim/machine_profile.h"

namespace spate::lab {

struct ValidateOptions {
  std::vector<std::filesystem::path> scenarios;
  std::vector<std::string> strategies;  // labels; "all" for every strategy that runs live
  int repetitions = 5;
  std::filesystem::path profile;
  std::filesystem::path live;  // not empty: take the live runs from here and make none
  std::filesystem::path out;
  CompareOptions compare;  // program, version, limits, remeasure of the live runs
  Tolerance tolerance;
};

struct Skipped {
  std::string strategy;
  std::string reason;
};

// `names` with "all" replaced by every strategy that can run live without settings of its own; what
// was left out stands in `skipped`.
std::vector<std::string> expand_strategies(const std::vector<std::string>& names,
                                           std::vector<Skipped>& skipped);

// Is this a finished run that counts? False for one that was interrupted, did not finish or is
// invalid, and where there is none.
bool is_finished_run(const std::filesystem::path& directory);

// The runs that are still to be made in `live`, in the order of repetitions.
std::vector<RunKey> missing_runs(const std::filesystem::path& live, const Scenario& scenario,
                                 const std::vector<std::string>& strategies, int repetitions);

// How long the rest will take: what a run takes beyond its plan is learned from those made.
class RemainingTime {
 public:
  // `plan_s`: warm-up, window and settling of one run.
  void add(double plan_s, int runs);
  void done(double plan_s, double took_s);
  double seconds() const;
  int runs_left() const { return left_; }

 private:
  double plan_left_s_ = 0.0;
  int left_ = 0;
  int made_ = 0;
  double beyond_s_ = 0.0;
};

// What one replica serves, as the live runs measured it and as the machine profile has it.
struct CapacityPair {
  std::string model;
  double live_per_s = 0.0;
  double profile_per_s = 0.0;
};

struct ValidatedRun {
  RunFiles live;
  RunFiles simulated;
};

struct ScenarioValidation {
  std::string name;
  std::string description;
  std::filesystem::path live;  // where its runs are
  std::vector<CapacityPair> capacities;
  std::vector<ValidatedRun> runs;  // the valid live ones and their simulated counterparts
  std::vector<ValidationLine> lines;
  // The same with the profile's calls as long as the live runs' were (validate_speed.h).
  std::vector<SpeedPair> speeds;
  std::vector<ValidationLine> lines_at_speed;
};

struct ValidationOutcome {
  std::vector<ScenarioValidation> scenarios;
  std::vector<Skipped> skipped;
  std::vector<std::string> notes;  // what to know when reading the figures
  nlohmann::json json;             // summary.json
  int live_runs_made = 0;
  bool interrupted = false;
  ValidationCount counted;           // of the lines with the profile as it stands
  ValidationCount counted_at_speed;  // of lines_at_speed
};

// Makes the missing live runs, simulates, compares, and writes summary.json into `out`. Throws
// ConfigError and Refused before anything is started.
ValidationOutcome validate(ValidateOptions options);

// Only the second half: simulates what `live` of one scenario holds. `strategies` empty: all there.
// `out` empty: writes no simulated runs. Throws ConfigError.
ScenarioValidation validate_scenario(const std::filesystem::path& live,
                                     const std::vector<std::string>& strategies,
                                     const sim::MachineProfile& profile,
                                     const std::filesystem::path& out, const Tolerance& tolerance,
                                     std::vector<std::string>& notes);

}  // namespace spate::lab
