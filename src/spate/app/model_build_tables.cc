// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "spate/app/model_command.h"
#include "spate/base/config_error.h"
#include "spate/models/linear_fit.h"
#include "spate/models/load.h"
#include "spate/models/xgboost/train.h"

namespace spate::app {
namespace {

using models::TableBuildOptions;
namespace xgboost = models::xgboost;

struct TableSettings {
  TableBuildOptions table;
  bool no_refit = false;
};

void add_table_options(CLI::App& command, TableSettings& settings) {
  auto& table = settings.table;
  auto* csv = command.add_option("--csv", table.csv,
                                 "CSV file with a header row, columns of numbers; with --target");
  auto* dataset = command.add_option(
      "--dataset", table.dataset,
      "Directory with train.csv, held_out.csv and dataset.json, instead of --csv");
  csv->excludes(dataset);
  auto* target = command.add_option("--target", table.target, "Column to predict");
  auto* features = command.add_option("--features", table.features,
                                      "Columns to predict from: a,b,… "
                                      "(default: every other column)");
  features->delimiter(',');
  csv->needs(target);
  target->excludes(dataset);
  features->excludes(dataset);
  command.add_option("--out", table.out, "Model directory to write, such as var/models/NAME")
      ->required();
  command
      .add_option("--held-out", table.held_out_share,
                  "With --csv: share of rows kept back to judge by")
      ->check(CLI::Range(0.0, 0.9))
      ->capture_default_str()
      ->excludes(dataset);
  command
      .add_flag("--held-out-last", table.held_out_last,
                "With --csv: keep back the last rows (time series), not random ones")
      ->excludes(dataset);
  command.add_option("--seed", table.seed, "Of the random choice of rows")->capture_default_str();
  command
      .add_flag("--no-refit", settings.no_refit,
                "With --csv: save the model that was judged; by default it is fitted once more, on "
                "all rows")
      ->excludes(dataset);
}

// The command line that makes this model again, for the manifest.
std::string command_line(const std::string& kind, const TableSettings& settings) {
  const auto& table = settings.table;
  std::string text = "spate model build " + kind;
  if (!table.dataset.empty()) {
    text += " --dataset " + table.dataset.string();
  } else {
    text += " --csv " + table.csv.string() + " --target \"" + table.target + "\"";
    if (!table.features.empty()) {
      text += fmt::format(" --features \"{}\"", fmt::join(table.features, ","));
    }
    text += fmt::format(" --held-out {}", table.held_out_share);
    if (table.held_out_last) text += " --held-out-last";
    if (settings.no_refit) text += " --no-refit";
  }
  return text + fmt::format(" --seed {} --out {}", table.seed, table.out.string());
}

void complete(const std::string& kind, TableSettings& settings) {
  if (settings.table.csv.empty() && settings.table.dataset.empty()) {
    throw ConfigError("model build " + kind +
                      ": expected --csv FILE --target COLUMN, or --dataset "
                      "DIR (those of the project: spate dataset list)");
  }
  settings.table.refit = !settings.no_refit;
  settings.table.created_by = command_line(kind, settings);
}

int finish(const Result<models::BuildReport>& report, const std::filesystem::path& out) {
  if (!report) return fail(report.error());
  print_build(*report, out);
  return kDone;
}

void add_linear(CLI::App& build, Run& run) {
  auto settings = std::make_shared<TableSettings>();
  auto* command = build.add_subcommand(
      "linear",
      "Least squares on any table: columns are standardised and solved by QR. Missing cells take "
      "their column's mean; rows without target are left out; both are counted and said.");
  add_table_options(*command, *settings);
  command->footer(
      "Example:\n"
      "  spate model build linear --csv houses.csv --target price --features area,rooms --out "
      "var/models/houses\n\n" +
      usual_exit_text());
  command->callback([settings, &run] {
    run = [settings] {
      complete("linear", *settings);
      return finish(models::build_linear(settings->table), settings->table.out);
    };
  });
}

int build_xgboost(const xgboost::TrainOptions& options) {
  const auto symbol = models::module_symbol(xgboost::kTrainingModule, xgboost::kTrainingSymbol);
  if (!symbol) return fail(symbol.error());
  const auto training = reinterpret_cast<xgboost::Training (*)()>(*symbol)();
  return finish(training.train(options), options.table.out);
}

void add_xgboost(CLI::App& build, Run& run) {
  struct Settings : TableSettings {
    xgboost::TrainOptions train;
  };
  auto settings = std::make_shared<Settings>();
  auto* command = build.add_subcommand(
      "xgboost",
      "Boosted trees on any table: regression, two classes or many. Missing cells are left to the "
      "trees, which learn where to send them.");
  add_table_options(*command, *settings);
  auto& train = settings->train;
  command
      ->add_option("--objective", train.objective,
                   "regression, classes, or auto: classes when the target holds text or at most 20 "
                   "different whole numbers (with --dataset: as its dataset.json says)")
      ->check(CLI::IsMember({"auto", "regression", "classes"}))
      ->capture_default_str();
  command->add_option("--rounds", train.rounds, "Boosting rounds: trees, per class if many")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--depth", train.depth, "Levels of a tree")
      ->check(CLI::Range(1, 30))
      ->capture_default_str();
  command
      ->add_option("--learning-rate", train.learning_rate,
                   "In (0, 1]; smaller needs more rounds and generalises better")
      ->capture_default_str();
  command->add_option("--row-share", train.row_share, "Share of rows each tree sees, in (0, 1]")
      ->capture_default_str();
  command
      ->add_option("--column-share", train.column_share,
                   "Share of features each tree sees, in (0, 1]")
      ->capture_default_str();
  command->footer(
      "Example:\n"
      "  spate model build xgboost --dataset data/weather --out var/models/xgboost\n\n" +
      usual_exit_text());
  command->callback([settings, &run] {
    run = [settings] {
      complete("xgboost", *settings);
      settings->train.table = settings->table;
      return build_xgboost(settings->train);
    };
  });
}

}  // namespace

void add_model_build_tables(CLI::App& build, Run& run) {
  add_linear(build, run);
  add_xgboost(build, run);
}

}  // namespace spate::app
