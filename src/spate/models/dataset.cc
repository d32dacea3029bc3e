// SPDX-License-Identifier: Apache-2.0
#include "spate/models/dataset.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "spate/base/csv.h"
#include "spate/base/files.h"
#include "spate/models/dataset_loader.h"
#include "spate/models/table_input.h"

namespace spate::models {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

std::string making_command(const fs::path& directory) {
  const std::string name = directory.filename().string();
  if (name == "surface") {
    return "make it with: spate dataset make surface --out " + directory.string();
  }
  return "a data set is train.csv, held_out.csv and dataset.json, or folders label/*.jpg, or image "
         "files with labels.csv; those of the project are listed by: spate dataset list";
}

}  // namespace

Result<Dataset> Dataset::open(const fs::path& directory) {
  std::error_code failed;
  if (!fs::is_directory(directory, failed)) {
    return Error{ErrorCode::NotFound,
                 "no data set at " + directory.string() + ": " + making_command(directory)};
  }
  Dataset dataset;
  dataset.directory_ = directory;
  const fs::path whole = fs::weakly_canonical(directory, failed);
  dataset.name_ = (failed ? directory : whole).filename().string();
  const auto description = directory / "dataset.json";
  if (fs::exists(description, failed)) {
    auto text = read_file(description);
    if (!text) return text.error();
    const json object = json::parse(*text, nullptr, false);
    if (!object.is_object()) {
      return Error{ErrorCode::InvalidArgument, description.string() + ": is not a JSON object"};
    }
    dataset.description_json_ = object.dump();
  }
  const Status status = fs::exists(directory / "train.csv", failed) ? Loader{dataset}.read_tables()
                                                                    : Loader{dataset}.read_images();
  if (!status) return status.error();
  return dataset;
}

Status Dataset::Loader::read_tables() {
  dataset.kind_ = Kind::Table;
  const auto file = dataset.directory_ / "dataset.json";
  const json description = json::parse(dataset.description_json_);
  std::string task;
  try {
    dataset.target_ = description.at("target").get<std::string>();
    dataset.features_ = description.at("features").get<std::vector<std::string>>();
    task = description.at("task").get<std::string>();
  } catch (const json::exception&) {
    return Error{ErrorCode::InvalidArgument,
                 file.string() +
                     ": expected \"target\" (a column), \"features\" (a list of columns) and "
                     "\"task\" (\"regression\" or \"classification\")"};
  }
  if (task != "regression" && task != "classification") {
    return Error{ErrorCode::InvalidArgument,
                 file.string() + ": task: expected \"regression\" or \"classification\", got \"" +
                     task + "\""};
  }
  if (dataset.features_.empty()) {
    return Error{ErrorCode::InvalidArgument, file.string() + ": features: expected at least one"};
  }
  dataset.task_ = task == "regression" ? Task::Regression : Task::Classification;
  if (auto status = read_table("train.csv"); !status) return status;
  dataset.train_size_ = dataset.items_.size();
  if (auto status = read_table("held_out.csv"); !status) return status;
  collect_classes();
  return ok();
}

Status Dataset::Loader::read_table(const std::string& file_name) {
  const auto table = read_csv(dataset.directory_ / file_name);
  if (!table) return table.error();
  std::vector<std::size_t> columns;
  for (const auto& name : dataset.features_) {
    const auto column = table->column(name);
    if (!column) return missing_column(file_name, name);
    columns.push_back(*column);
  }
  const auto target = table->column(dataset.target_);
  if (!target) return missing_column(file_name, dataset.target_);
  for (std::size_t i = 0; i < table->rows.size(); ++i) {
    Item item;
    item.source = file_name + ":" + std::to_string(table->lines[i]);
    item.label = table->rows[i][*target];
    std::string reason = target_problem(item.label);
    for (std::size_t j = 0; j < columns.size() && reason.empty(); ++j) {
      const auto& cell = table->rows[i][columns[j]];
      if (const auto value = parse_cell(cell)) {
        item.row.push_back(*value);
      } else {
        reason = "column " + dataset.features_[j] + ": " +
                 (is_missing_cell(cell) ? "missing" : "expected a number, got \"" + cell + "\"");
      }
    }
    if (reason.empty()) {
      dataset.items_.push_back(std::move(item));
    } else {
      dataset.skipped_.push_back({item.source, std::move(reason)});
    }
  }
  return ok();
}

std::string Dataset::Loader::target_problem(const std::string& cell) const {
  if (is_missing_cell(cell)) return "column " + dataset.target_ + ": missing";
  if (dataset.task_ == Task::Regression && !parse_cell(cell)) {
    return "column " + dataset.target_ + ": expected a number, got \"" + cell + "\"";
  }
  return {};
}

Error Dataset::Loader::missing_column(const std::string& file_name,
                                      const std::string& column) const {
  return Error{ErrorCode::InvalidArgument, (dataset.directory_ / file_name).string() +
                                               ": no column \"" + column +
                                               "\", which dataset.json names"};
}

void Dataset::Loader::collect_classes() {
  if (dataset.task_ != Task::Classification) return;
  std::set<std::string> labels;
  for (const auto& item : dataset.items_) labels.insert(item.label);
  dataset.classes_.assign(labels.begin(), labels.end());
}

Result<std::size_t> Dataset::size(std::string_view split) const {
  if (split == "train") return train_size_;
  if (split == "held_out") return items_.size() - train_size_;
  if (split == "all") return items_.size();
  return Error{ErrorCode::InvalidArgument,
               "split \"" + std::string(split) + "\": expected \"train\", \"held_out\" or \"all\""};
}

Result<const Dataset::Item*> Dataset::item(std::string_view split, std::size_t i) const {
  const auto count = size(split);
  if (!count) return count.error();
  if (i >= *count) {
    return Error{ErrorCode::InvalidArgument, "sample " + std::to_string(i) + ": split " +
                                                 std::string(split) + " of " + name_ + " has " +
                                                 std::to_string(*count)};
  }
  return &items_[i + (split == "held_out" ? train_size_ : 0)];
}

Result<Sample> Dataset::sample(std::string_view split, std::size_t i) const {
  const auto found = item(split, i);
  if (!found) return found.error();
  const Item& chosen = **found;
  if (kind_ == Kind::Table) {
    return Sample{features_payload(chosen.row), "application/json", chosen.label, chosen.source};
  }
  auto bytes = read_file(directory_ / chosen.file);
  if (!bytes) return bytes.error();
  std::string type = bytes->starts_with("\x89PNG") ? "image/png" : "image/jpeg";
  return Sample{std::move(*bytes), std::move(type), chosen.label, chosen.source};
}

Result<std::string> Dataset::label(std::string_view split, std::size_t i) const {
  const auto found = item(split, i);
  if (!found) return found.error();
  return (*found)->label;
}

Result<fs::path> Dataset::file(std::string_view split, std::size_t i) const {
  const auto found = item(split, i);
  if (!found) return found.error();
  if (kind_ != Kind::Images) {
    return Error{ErrorCode::InvalidArgument, "data set " + name_ + " holds tables, not images"};
  }
  return directory_ / (*found)->file;
}

Result<std::vector<double>> Dataset::row(std::string_view split, std::size_t i) const {
  const auto found = item(split, i);
  if (!found) return found.error();
  if (kind_ != Kind::Table) {
    return Error{ErrorCode::InvalidArgument, "data set " + name_ + " holds images, not tables"};
  }
  return (*found)->row;
}

}  // namespace spate::models
