// SPDX-License-Identifier: Apache-2.0
#include "spate/models/xgboost/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "spate/base/csv.h"
#include "spate/base/files.h"
#include "spate/models/xgboost/booster.h"
#include "spate/models/xgboost/xgboost_model.h"

namespace spate::models::xgboost {
namespace {

Error wrong(std::string message) { return Error{ErrorCode::InvalidArgument, std::move(message)}; }

Status check(const TrainOptions& options) {
  const auto share = [](double value) { return value > 0.0 && value <= 1.0; };
  if (options.rounds < 1 || options.rounds > 100000) {
    return wrong(fmt::format("rounds: expected [1, 100000], got {}", options.rounds));
  }
  if (options.depth < 1 || options.depth > 30) {
    return wrong(fmt::format("depth: expected [1, 30], got {}", options.depth));
  }
  if (!share(options.learning_rate) || !share(options.row_share) || !share(options.column_share)) {
    return wrong("learning rate and shares: expected numbers in (0, 1]");
  }
  return ok();
}

// What is learned: numbers, or one of `classes` (empty: regression).
struct Goal {
  std::vector<std::string> classes;
  std::string reason;  // why, for the person

  bool regression() const { return classes.empty(); }
  std::string objective() const {
    return regression()          ? "reg:squarederror"
           : classes.size() == 2 ? "binary:logistic"
                                 : "multi:softprob";
  }
};

bool all_numbers(const std::vector<std::string>& labels) {
  return std::all_of(labels.begin(), labels.end(),
                     [](const auto& cell) { return parse_cell(cell).has_value(); });
}

// "5" and "5.0" are one class: numbers are written in their shortest form.
void unify_numbers(TrainingData& data) {
  if (!all_numbers(data.final_fit.labels)) return;
  for (auto* table : {&data.fit, &data.held_out, &data.final_fit}) {
    for (auto& label : table->labels) {
      if (const auto value = parse_cell(label)) label = fmt::format("{}", *value);
    }
  }
}

std::vector<std::string> distinct_labels(const TrainingData& data, bool by_number) {
  std::set<std::string> distinct(data.final_fit.labels.begin(), data.final_fit.labels.end());
  std::vector<std::string> labels(distinct.begin(), distinct.end());
  if (by_number) {
    std::sort(labels.begin(), labels.end(), [](const std::string& a, const std::string& b) {
      return *parse_cell(a) < *parse_cell(b);
    });
  }
  return labels;
}

Result<Goal> choose_goal(std::string objective, const TrainingData& data) {
  if (objective == "auto" && data.task) {
    objective = *data.task == Task::Regression ? "regression" : "classes";
  }
  const auto& labels = data.final_fit.labels;
  const bool numbers = all_numbers(labels);
  const bool integers = numbers && std::all_of(labels.begin(), labels.end(), [](const auto& cell) {
                          return *parse_cell(cell) == std::floor(*parse_cell(cell));
                        });
  Goal goal;
  const auto distinct = distinct_labels(data, numbers);
  if (objective == "regression") {
    goal.reason = "regression, as asked";
  } else if (objective == "classes") {
    goal.classes = distinct;
    goal.reason = fmt::format("{} classes, as asked", distinct.size());
  } else if (objective != "auto") {
    return wrong("objective: expected auto, regression or classes, got \"" + objective + "\"");
  } else if (!numbers) {
    goal.classes = distinct;
    goal.reason = fmt::format("{} classes: {} holds text", distinct.size(), data.fit.target);
  } else if (integers && distinct.size() <= kMostAutoClasses) {
    goal.classes = distinct;
    goal.reason = fmt::format("{} classes: {} holds whole numbers of so few different values",
                              distinct.size(), data.fit.target);
  } else {
    goal.reason = fmt::format("regression: {} holds numbers", data.fit.target);
  }
  if (!goal.regression() && goal.classes.size() < 2) {
    return wrong(fmt::format("column {}: every row says \"{}\": there is nothing to tell apart",
                             data.fit.target, distinct.front()));
  }
  constexpr std::size_t kMostClasses = 1000;
  if (goal.classes.size() > kMostClasses) {
    return wrong(fmt::format(
        "column {}: {} different values are too many for classes (at most {}); for numbers use "
        "--objective regression",
        data.fit.target, goal.classes.size(), kMostClasses));
  }
  return goal;
}

std::vector<float> features_of(const TrainingTable& table) {
  return std::vector<float>(table.x.begin(), table.x.end());
}

Result<std::vector<float>> labels_of(const TrainingTable& table, const Goal& goal) {
  std::vector<float> out;
  out.reserve(table.rows());
  if (goal.regression()) {
    const auto numbers = numeric_target(table);
    if (!numbers) return numbers.error();
    for (const double y : *numbers) out.push_back(static_cast<float>(y));
    return out;
  }
  std::map<std::string, float> index;
  for (const auto& label : goal.classes) {
    index.emplace(label, static_cast<float>(index.size()));
  }
  for (std::size_t i = 0; i < table.rows(); ++i) out.push_back(index.at(table.labels[i]));
  return out;
}

Booster::Parameters parameters_of(const TrainOptions& options, const Goal& goal) {
  Booster::Parameters parameters{{"objective", goal.objective()},
                                 {"max_depth", std::to_string(options.depth)},
                                 {"learning_rate", fmt::format("{}", options.learning_rate)},
                                 {"subsample", fmt::format("{}", options.row_share)},
                                 {"colsample_bytree", fmt::format("{}", options.column_share)},
                                 {"tree_method", "hist"},
                                 {"seed", std::to_string(options.table.seed)},
                                 {"nthread", "1"},
                                 {"verbosity", "0"}};
  if (goal.classes.size() > 2) {
    parameters.emplace_back("num_class", std::to_string(goal.classes.size()));
  }
  return parameters;
}

// The bytes of a model trained on `table`.
Result<std::string> fit(const TrainOptions& options, const Goal& goal, const TrainingTable& table) {
  const auto labels = labels_of(table, goal);
  if (!labels) return labels.error();
  const auto matrix = Matrix::create(features_of(table), table.features.size(), *labels);
  if (!matrix) return matrix.error();
  auto booster = Booster::create(*matrix, parameters_of(options, goal));
  if (!booster) return booster.error();
  for (int round = 0; round < options.rounds; ++round) {
    if (auto status = booster->train_round(round, *matrix); !status) return status.error();
  }
  return booster->save();
}

std::map<std::string, double> judge_numbers(std::span<const float> predicted,
                                            const std::vector<double>& y, double baseline) {
  const double n = static_cast<double>(y.size());
  const double mean = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double squared = 0.0;
  double absolute = 0.0;
  double baseline_squared = 0.0;
  double variance = 0.0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double error = y[i] - static_cast<double>(predicted[i]);
    squared += error * error;
    absolute += std::abs(error);
    baseline_squared += (y[i] - baseline) * (y[i] - baseline);
    variance += (y[i] - mean) * (y[i] - mean);
  }
  std::map<std::string, double> quality{{"rmse", std::sqrt(squared / n)},
                                        {"mae", absolute / n},
                                        {"baseline_rmse", std::sqrt(baseline_squared / n)}};
  if (variance > 0.0) quality["r2"] = 1.0 - squared / variance;
  return quality;
}

std::map<std::string, double> judge_classes(std::span<const float> predicted,
                                            const TrainingTable& held_out,
                                            const TrainingTable& fitted, const Goal& goal) {
  std::map<std::string, std::size_t> counts;
  for (const auto& label : fitted.labels) ++counts[label];
  const std::string majority =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      })->first;
  const std::size_t width = goal.classes.size() > 2 ? goal.classes.size() : 1;
  std::map<std::string, std::pair<double, double>> right_and_all;  // by label
  double right = 0.0;
  double baseline_right = 0.0;
  for (std::size_t i = 0; i < held_out.rows(); ++i) {
    const auto outputs = predicted.subspan(i * width, width);
    const auto best = width == 1
                          ? static_cast<std::size_t>(outputs[0] > 0.5F ? 1 : 0)
                          : static_cast<std::size_t>(
                                std::max_element(outputs.begin(), outputs.end()) - outputs.begin());
    const bool hit = goal.classes[best] == held_out.labels[i];
    right += hit ? 1.0 : 0.0;
    baseline_right += majority == held_out.labels[i] ? 1.0 : 0.0;
    auto& [class_right, class_all] = right_and_all[held_out.labels[i]];
    class_right += hit ? 1.0 : 0.0;
    class_all += 1.0;
  }
  double recall = 0.0;
  for (const auto& [label, pair] : right_and_all) recall += pair.first / pair.second;
  const double n = static_cast<double>(held_out.rows());
  return {{"accuracy", right / n},
          {"baseline_accuracy", baseline_right / n},
          // The mean over classes of the share found: a majority guess gives 1 / classes.
          {"balanced_accuracy", recall / static_cast<double>(right_and_all.size())}};
}

Result<std::map<std::string, double>> judge(const std::string& bytes, const TrainingData& data,
                                            const Goal& goal) {
  const auto booster = Booster::load(bytes);
  if (!booster) return booster.error();
  const auto x = features_of(data.held_out);
  const auto predicted = booster->predict(x, data.held_out.features.size());
  if (!predicted) return predicted.error();
  std::map<std::string, double> quality;
  if (goal.regression()) {
    const auto y = numeric_target(data.held_out);
    if (!y) return y.error();
    const auto fitted = numeric_target(data.fit);
    if (!fitted) return fitted.error();
    const double mean =
        std::accumulate(fitted->begin(), fitted->end(), 0.0) / static_cast<double>(fitted->size());
    quality = judge_numbers(*predicted, *y, mean);
  } else {
    quality = judge_classes(*predicted, data.held_out, data.fit, goal);
  }
  quality["held_out_rows"] = static_cast<double>(data.held_out.rows());
  return quality;
}

// A row that is sure to be valid: the first value of each feature that is none missing.
std::vector<double> sample_row(const TrainingTable& table) {
  std::vector<double> row(table.features.size(), 0.0);
  for (std::size_t j = 0; j < row.size(); ++j) {
    for (std::size_t i = 0; i < table.rows(); ++i) {
      if (std::isnan(table.at(i, j))) continue;
      row[j] = table.at(i, j);
      break;
    }
  }
  return row;
}

nlohmann::json settings_of(const TrainOptions& options, const Goal& goal,
                           const TrainingData& data) {
  nlohmann::json settings;
  settings["objective"] = goal.objective();
  settings["rounds"] = options.rounds;
  settings["depth"] = options.depth;
  settings["learning_rate"] = options.learning_rate;
  settings["row_share"] = options.row_share;
  settings["column_share"] = options.column_share;
  settings["seed"] = options.table.seed;
  settings["fitted_rows"] = data.final_fit.rows();
  settings["missing_cells"] = data.final_fit.missing_cells();
  settings["split"] = data.how_split;
  settings["sample_row"] = sample_row(data.final_fit);
  return settings;
}

}  // namespace

Result<BuildReport> train_xgboost(const TrainOptions& options) {
  if (auto status = check(options); !status) return status.error();
  auto data = load_training_data(options.table);
  if (!data) return data.error();
  unify_numbers(*data);
  const auto goal = choose_goal(options.objective, *data);
  if (!goal) return goal.error();
  BuildReport report;
  report.notes = data->notes;
  if (data->final_fit.missing_cells() > 0) {
    report.notes.emplace_back("missing cells go where each tree has learned to send them");
  }
  report.notes.push_back(data->how_split);
  report.notes.push_back(goal->reason);

  Manifest manifest;
  auto bytes = fit(options, *goal, data->fit);
  if (!bytes) return bytes.error();
  if (data->held_out.rows() > 0) {
    auto quality = judge(*bytes, *data, *goal);
    if (!quality) return quality.error();
    manifest.held_out = std::move(*quality);
  }
  if (data->refit) {
    bytes = fit(options, *goal, data->final_fit);
    if (!bytes) return bytes.error();
  }
  manifest.name = "xgboost";
  manifest.kind = "xgboost";
  manifest.variant = fmt::format("{}x{}", options.rounds, options.depth);
  manifest.task = goal->regression() ? Task::Regression : Task::Classification;
  manifest.features = data->final_fit.features;
  manifest.target = data->final_fit.target;
  manifest.classes = goal->classes;
  manifest.settings_json = settings_of(options, *goal, *data).dump();
  manifest.created_by = options.table.created_by;
  if (auto status = write_file(options.table.out / kModelFile, *bytes); !status) {
    return status.error();
  }
  auto sealed = seal_model(options.table.out, std::move(manifest), {kModelFile});
  if (!sealed) return sealed.error();
  report.manifest = std::move(*sealed);
  return report;
}

}  // namespace spate::models::xgboost
