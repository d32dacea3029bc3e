// SPDX-License-Identifier: Apache-2.0
//
// The subcommands of `spate`. Each lives in <name>_command.cc and adds itself to the parser;
// main.cc holds the one list.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "spate/base/result.h"
#include "spate/lab/scenario.h"

namespace spate::app {

// What `spate` exits with: each number means the same in every command, and a command's help says
// what brings it about (exit_text). scripts and containers rely on them.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;       // it did not come off, or the answer is no
inline constexpr int kBadSettings = 2;  // what was asked for is wrong or missing; nothing was begun
inline constexpr int kRefused = 3;      // not here: this machine is too small, the gateway will not
inline constexpr int kInvalid = 4;      // measured, but the figures must not be used
inline constexpr int kInterrupted = 130;  // by Ctrl-C; what there was until then is kept

struct ExitMeaning {
  int status = kDone;
  std::string_view when;
};
// "Exit status: 0 done; 2 bad settings." for a command's help, in lines. Bad settings go without
// saying: main exits with them for any command, so they are added where they are not among
// `meanings`.
std::string exit_text(std::vector<ExitMeaning> meanings);
// The same for a command that ends with fail().
std::string usual_exit_text();

// Prints "spate: <message>" to standard error; the command's exit status: kBadSettings for what the
// user gave (InvalidArgument, NotFound), else kFailed.
int fail(const Error& error);

// The parsed command puts what is to run here; main runs it and exits with its value, one of those
// above. A ConfigError is caught in main.
using Run = std::function<int()>;

void add_dataset_command(CLI::App& app, Run& run);
void add_model_command(CLI::App& app, Run& run);
// Image models' part of `spate model`: adds "resnet50" to `build` and "import" to `model`.
void add_image_model_commands(CLI::App& model, CLI::App& build, Run& run);
void add_worker_command(CLI::App& app, Run& run);
void add_gateway_command(CLI::App& app, Run& run);
void add_influx_command(CLI::App& app, Run& run);
void add_experiment_commands(CLI::App& app, Run& run);  // run, compare, report
void add_export_command(CLI::App& app, Run& run);
void add_simulate_command(CLI::App& app, Run& run);
void add_validate_command(CLI::App& app, Run& run);
void add_profile_command(CLI::App& app, Run& run);
void add_capacity_command(CLI::App& app, Run& run);
void add_strategies_command(CLI::App& app, Run& run);
void add_suite_command(CLI::App& app, Run& run);
void add_trace_command(CLI::App& app, Run& run);
void add_tune_command(CLI::App& app, Run& run);
void add_doctor_command(CLI::App& app, Run& run);
void add_health_command(CLI::App& app, Run& run);

// Computes summary.json and report.html of an experiment's directory, prints the table and returns
// the exit status.
struct ReportOptions {
  std::string prices;   // a file in place of those that the runs were made with; "": none
  bool detail = false;  // elasticity and paired statistics after the table
};
int report_on(const std::filesystem::path& directory, const ReportOptions& options = {});

// Options that several commands have.

// --limits: how CPU limits are enforced.
void add_limits_option(CLI::App& command, std::string& limits);
// --models: some of the scenario's.
void add_models_option(CLI::App& command, std::vector<std::string>& names);
// Those models, in the scenario's order; all of them when `names` is empty. Throws ConfigError for
// a name that is none.
std::vector<lab::ModelScenario> chosen_models(const lab::Scenario& scenario,
                                              const std::vector<std::string>& names);

inline constexpr const char* kDetailText =
    "Print after the table how closely supply followed demand, the recovery after each surge, and "
    "which costs the repetitions can tell apart (docs/elasticity.md)";
inline constexpr const char* kPricesText =
    "Prices in place of the scenario's: a file with cpu_per_hour, memory_gib_per_hour and currency "
    "(docs/prices.md)";

}  // namespace spate::app
