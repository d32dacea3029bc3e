// SPDX-License-Identifier: Apache-2.0
//
// The subcommands of `spate`. Each lives in <name>_command.cc and adds itself to the parser;
// main.cc holds the one list.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <string>

namespace spate::app {

// The parsed command puts what is to run here; main runs it and exits with its value
// (0 success, 1 the thing failed, 2 bad settings, 3 refused). A ConfigError is caught in main.
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

inline constexpr const char* kDetailText =
    "Print after the table how closely supply followed demand, the recovery after each surge, and "
    "which costs the repetitions can tell apart (docs/elasticity.md)";
inline constexpr const char* kPricesText =
    "Prices in place of the scenario's: a file with cpu_per_hour, memory_gib_per_hour and currency "
    "(docs/prices.md)";

}  // namespace spate::app
