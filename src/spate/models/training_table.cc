// SPDX-License-Identifier: Apache-2.0
#include "spate/models/training_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "spate/base/config_reader.h"
#include "spate/base/csv.h"
#include "spate/base/files.h"
#include "spate/base/rng.h"

namespace spate::models {
namespace {

Error wrong(std::string message) { return Error{ErrorCode::InvalidArgument, std::move(message)}; }

std::string trimmed(const std::string& cell) {
  const auto first = cell.find_first_not_of(" \t");
  if (first == std::string::npos) return {};
  return cell.substr(first, cell.find_last_not_of(" \t") - first + 1);
}

Result<std::size_t> column_of(const CsvTable& table, const std::string& file,
                              const std::string& name) {
  if (const auto column = table.column(name)) return *column;
  const auto near = nearest_word(name, table.header);
  return wrong(fmt::format("{}: no column \"{}\"{}; its columns are {}", file, name,
                           near.empty() ? "" : fmt::format(" (\"{}\"?)", near),
                           fmt::join(table.header, ", ")));
}

Result<double> feature_cell(const std::string& cell, const std::string& source,
                            const std::string& feature) {
  if (const auto value = parse_cell(cell)) return *value;
  if (is_missing_cell(cell)) return std::numeric_limits<double>::quiet_NaN();
  return wrong(fmt::format(
      "{}: column {}: expected a number, got \"{}\"; name the columns of numbers with --features",
      source, feature, cell));
}

void describe_missing(const TrainingTable& table, std::vector<std::string>& notes) {
  if (table.rows_without_target > 0) {
    notes.push_back(fmt::format("{} row{} without {} left out", table.rows_without_target,
                                table.rows_without_target == 1 ? "" : "s", table.target));
  }
  if (table.missing_cells() == 0) return;
  std::string per_feature;
  for (std::size_t j = 0; j < table.features.size(); ++j) {
    if (table.missing_per_feature[j] == 0) continue;
    per_feature += fmt::format("{}{} {}", per_feature.empty() ? "" : ", ", table.features[j],
                               table.missing_per_feature[j]);
  }
  notes.push_back(fmt::format("{} missing cells ({})", table.missing_cells(), per_feature));
}

Result<TrainingData> from_csv(const TableBuildOptions& options) {
  auto table = read_training_table(options.csv, options.target, options.features);
  if (!table) return table.error();
  TrainingData data;
  describe_missing(*table, data.notes);
  std::vector<std::size_t> order(table->rows());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (!options.held_out_last) {
    Rng rng(options.seed, "held_out");
    shuffle(order, rng);
  }
  const auto held_out = static_cast<std::ptrdiff_t>(
      std::floor(options.held_out_share * static_cast<double>(order.size())));
  std::vector<std::size_t> fit(order.begin(), order.end() - held_out);
  std::vector<std::size_t> rest(order.end() - held_out, order.end());
  std::sort(fit.begin(), fit.end());
  std::sort(rest.begin(), rest.end());
  data.fit = table->take(fit);
  data.held_out = table->take(rest);
  data.refit = options.refit && held_out > 0;
  data.how_split = held_out == 0 ? fmt::format("no rows held out of {}", table->rows())
                   : options.held_out_last
                       ? fmt::format("the last {} of {} rows held out", held_out, table->rows())
                       : fmt::format("{} of {} rows held out at random (seed {})", held_out,
                                     table->rows(), options.seed);
  if (data.refit) {
    data.final_fit = std::move(*table);
    data.how_split += "; the saved model is fitted again on all rows";
  } else {
    data.final_fit = data.fit;
  }
  return data;
}

Result<TrainingData> from_dataset(const TableBuildOptions& options) {
  const auto file = options.dataset / "dataset.json";
  std::error_code failed;
  if (!std::filesystem::exists(file, failed)) {
    return Error{ErrorCode::NotFound,
                 "no data set of tables at " + options.dataset.string() + ": " + file.string() +
                     " does not exist; those of the project are listed by: spate dataset list"};
  }
  auto text = read_file(file);
  if (!text) return text.error();
  const auto description = nlohmann::json::parse(*text, nullptr, false);
  std::string target;
  std::vector<std::string> features;
  try {
    target = description.at("target").get<std::string>();
    features = description.at("features").get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception&) {
    return wrong(file.string() + ": expected \"target\" (a column) and \"features\" (a list)");
  }
  const std::string task = description.value("task", "");
  auto fit = read_training_table(options.dataset / "train.csv", target, features);
  if (!fit) return fit.error();
  auto held_out = read_training_table(options.dataset / "held_out.csv", target, features);
  if (!held_out) return held_out.error();
  TrainingData data;
  if (task == to_string(Task::Regression)) data.task = Task::Regression;
  if (task == to_string(Task::Classification)) data.task = Task::Classification;
  describe_missing(*fit, data.notes);
  data.how_split = fmt::format("{} rows of train.csv to fit, {} of held_out.csv to judge",
                               fit->rows(), held_out->rows());
  data.final_fit = *fit;
  data.fit = std::move(*fit);
  data.held_out = std::move(*held_out);
  return data;
}

}  // namespace

std::size_t TrainingTable::missing_cells() const {
  return std::accumulate(missing_per_feature.begin(), missing_per_feature.end(), std::size_t{0});
}

TrainingTable TrainingTable::take(const std::vector<std::size_t>& chosen) const {
  TrainingTable out;
  out.features = features;
  out.target = target;
  out.missing_per_feature.assign(features.size(), 0);
  out.x.reserve(chosen.size() * features.size());
  for (const std::size_t row : chosen) {
    for (std::size_t j = 0; j < features.size(); ++j) {
      out.x.push_back(at(row, j));
      out.missing_per_feature[j] += std::isnan(at(row, j)) ? 1 : 0;
    }
    out.labels.push_back(labels[row]);
    out.sources.push_back(sources[row]);
  }
  return out;
}

Result<TrainingTable> read_training_table(const std::filesystem::path& csv,
                                          const std::string& target,
                                          const std::vector<std::string>& features) {
  const auto table = read_csv(csv);
  if (!table) return table.error();
  const auto target_column = column_of(*table, csv.string(), target);
  if (!target_column) return target_column.error();
  TrainingTable out;
  out.target = target;
  out.features = features;
  if (features.empty()) {
    std::copy_if(table->header.begin(), table->header.end(), std::back_inserter(out.features),
                 [&](const std::string& name) { return name != target; });
  }
  if (out.features.empty()) return wrong(csv.string() + ": no column but the target");
  std::vector<std::size_t> columns;
  for (const auto& name : out.features) {
    if (name == target) return wrong("feature " + name + " is the target itself");
    const auto column = column_of(*table, csv.string(), name);
    if (!column) return column.error();
    if (std::find(columns.begin(), columns.end(), *column) != columns.end()) {
      return wrong("feature " + name + " is named twice");
    }
    columns.push_back(*column);
  }
  out.missing_per_feature.assign(columns.size(), 0);
  for (std::size_t i = 0; i < table->rows.size(); ++i) {
    const auto& row = table->rows[i];
    if (is_missing_cell(row[*target_column])) {
      ++out.rows_without_target;
      continue;
    }
    const std::string source = fmt::format("{}:{}", csv.string(), table->lines[i]);
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const auto value = feature_cell(row[columns[j]], source, out.features[j]);
      if (!value) return value.error();
      out.missing_per_feature[j] += std::isnan(*value) ? 1 : 0;
      out.x.push_back(*value);
    }
    out.labels.push_back(trimmed(row[*target_column]));
    out.sources.push_back(source);
  }
  if (out.rows() == 0) return wrong(csv.string() + ": no row has a value of " + target);
  for (std::size_t j = 0; j < columns.size(); ++j) {
    if (out.missing_per_feature[j] == out.rows()) {
      return wrong(csv.string() + ": column " + out.features[j] + " holds no number at all");
    }
  }
  return out;
}

Result<std::vector<double>> numeric_target(const TrainingTable& table) {
  std::vector<double> y;
  y.reserve(table.rows());
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const auto value = parse_cell(table.labels[i]);
    if (!value) {
      return wrong(fmt::format("{}: column {}: expected a number, got \"{}\"", table.sources[i],
                               table.target, table.labels[i]));
    }
    y.push_back(*value);
  }
  return y;
}

Result<TrainingData> load_training_data(const TableBuildOptions& options) {
  if (options.csv.empty() == options.dataset.empty()) {
    return wrong("expected either a CSV with its target, or a data set");
  }
  if (!options.dataset.empty()) return from_dataset(options);
  if (!(options.held_out_share >= 0.0 && options.held_out_share <= 0.9)) {
    return wrong(fmt::format("share of held-out rows: expected a number in [0, 0.9], got {}",
                             options.held_out_share));
  }
  return from_csv(options);
}

}  // namespace spate::models
