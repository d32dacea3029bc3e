// SPDX-License-Identifier: Apache-2.0
#include "spate/app/model_samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "spate/base/csv.h"
#include "spate/base/files.h"
#include "spate/models/table_input.h"

namespace spate::app {
namespace {

namespace fs = std::filesystem;
using models::Manifest;
using models::Sample;

Error wrong(std::string message) { return Error{ErrorCode::InvalidArgument, std::move(message)}; }

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return extension;
}

bool is_image(const fs::path& path) {
  const auto extension = lower_extension(path);
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

std::string image_type(std::string_view bytes) {
  if (bytes.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (bytes.starts_with("\x89PNG")) return "image/png";
  return {};
}

ModelSamples one(Sample sample) {
  ModelSamples samples;
  samples.count = 1;
  samples.single = true;
  samples.fetch = [sample = std::move(sample)](std::size_t) -> Result<Sample> { return sample; };
  return samples;
}

ModelSamples many(std::vector<Sample> list) {
  ModelSamples samples;
  samples.count = list.size();
  const auto shared = std::make_shared<std::vector<Sample>>(std::move(list));
  samples.fetch = [shared](std::size_t i) -> Result<Sample> { return (*shared)[i]; };
  return samples;
}

Result<ModelSamples> of_csv(const fs::path& path, const Manifest& manifest) {
  if (manifest.features.empty()) {
    return wrong(path.string() + ": a table, but model " + manifest.name + " takes images");
  }
  const auto table = read_csv(path);
  if (!table) return table.error();
  std::vector<std::size_t> columns;
  std::string missing;
  for (const auto& feature : manifest.features) {
    if (const auto column = table->column(feature)) {
      columns.push_back(*column);
    } else {
      missing += (missing.empty() ? "" : ", ") + feature;
    }
  }
  if (!missing.empty()) {
    return wrong(fmt::format("{}: no column {}; model {} takes {}", path.string(), missing,
                             manifest.name, fmt::join(manifest.features, ", ")));
  }
  const auto target = table->column(manifest.target);
  std::vector<Sample> list;
  std::vector<models::SkippedSample> skipped;
  for (std::size_t i = 0; i < table->rows.size(); ++i) {
    const auto& cells = table->rows[i];
    Sample sample;
    sample.source = fmt::format("{}:{}", path.string(), table->lines[i]);
    sample.content_type = "application/json";
    std::vector<double> row;
    std::string reason;
    for (std::size_t j = 0; j < columns.size() && reason.empty(); ++j) {
      const auto& cell = cells[columns[j]];
      if (const auto value = parse_cell(cell)) {
        row.push_back(*value);
      } else {
        reason = fmt::format(
            "column {}: {}", manifest.features[j],
            is_missing_cell(cell) ? "missing" : "expected a number, got \"" + cell + "\"");
      }
    }
    if (!reason.empty()) {
      skipped.push_back({sample.source, std::move(reason)});
      continue;
    }
    if (target && !is_missing_cell(cells[*target])) sample.label = cells[*target];
    sample.payload = models::features_payload(row);
    list.push_back(std::move(sample));
  }
  auto samples = many(std::move(list));
  samples.skipped = std::move(skipped);
  return samples;
}

Result<Sample> read_image(const fs::path& path) {
  auto bytes = read_file(path);
  if (!bytes) return bytes.error();
  Sample sample;
  sample.content_type = image_type(*bytes);
  if (sample.content_type.empty())
    sample.content_type = "image/jpeg";  // the model says what is wrong
  sample.payload = std::move(*bytes);
  sample.source = path.string();
  return sample;
}

Result<ModelSamples> of_folder(const fs::path& folder, const Manifest& manifest) {
  if (!manifest.features.empty()) {
    return wrong(folder.string() + ": a folder, but model " + manifest.name +
                 " takes rows of numbers; name a CSV, or use --dataset " + folder.string());
  }
  auto files = std::make_shared<std::vector<fs::path>>();
  std::error_code failed;
  for (const auto& entry : fs::recursive_directory_iterator(folder, failed)) {
    if (entry.is_regular_file() && is_image(entry.path())) files->push_back(entry.path());
  }
  if (failed) {
    return Error{ErrorCode::Internal, "cannot list " + folder.string() + ": " + failed.message()};
  }
  if (files->empty()) return wrong(folder.string() + ": holds no *.jpg, *.jpeg or *.png");
  std::sort(files->begin(), files->end());
  ModelSamples samples;
  samples.count = files->size();
  samples.fetch = [files](std::size_t i) { return read_image((*files)[i]); };
  return samples;
}

// "1.2,3.4" or "1.2 3.4", as typed on a command line.
Result<Sample> row_of_text(const std::string& input) {
  std::vector<double> row;
  std::string cell;
  const auto end_cell = [&]() -> bool {
    const auto value = parse_cell(cell);
    if (value) row.push_back(*value);
    cell.clear();
    return value.has_value();
  };
  const bool commas = input.find(',') != std::string::npos;
  for (const char c : input) {
    if (commas ? c != ',' : c != ' ') {
      cell += c;
    } else if ((commas || !cell.empty()) && !end_cell()) {
      return wrong("");
    }
  }
  if (!end_cell()) return wrong("");
  return Sample{models::features_payload(row), "application/json", "", "input"};
}

}  // namespace

Result<ModelSamples> samples_of_input(const std::string& input, const Manifest& manifest) {
  const fs::path path(input);
  std::error_code failed;
  if (fs::is_directory(path, failed)) return of_folder(path, manifest);
  if (fs::exists(path, failed)) {
    if (lower_extension(path) == ".csv") return of_csv(path, manifest);
    if (is_image(path)) {
      auto sample = read_image(path);
      if (!sample) return sample.error();
      return one(std::move(*sample));
    }
    auto bytes = read_file(path);
    if (!bytes) return bytes.error();
    std::string type = image_type(*bytes);
    return one(Sample{std::move(*bytes), std::move(type), "", path.string()});
  }
  const auto first = input.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && input[first] == '{') {
    return one(Sample{input, "application/json", "", "input"});
  }
  if (first != std::string::npos && input[first] == '[') {
    return one(Sample{"{\"features\":" + input + "}", "application/json", "", "input"});
  }
  auto row = row_of_text(input);
  if (!row) {
    return Error{ErrorCode::NotFound,
                 "\"" + input +
                     "\": no such file, and no row of numbers (1.2,3.4,…) or JSON object "
                     "({\"features\":[…]}) either"};
  }
  return one(std::move(*row));
}

Result<ModelSamples> samples_of_dataset(const fs::path& directory, const std::string& split,
                                        const Manifest& manifest) {
  auto opened = models::Dataset::open(directory);
  if (!opened) return opened.error();
  const auto dataset = std::make_shared<models::Dataset>(std::move(*opened));
  if (dataset->kind() == models::Dataset::Kind::Table && dataset->features() != manifest.features) {
    return wrong(fmt::format(
        "data set {} has the features {}, but model {} takes {}", directory.string(),
        fmt::join(dataset->features(), ", "), manifest.name,
        manifest.features.empty() ? "images"
                                  : fmt::format("{}", fmt::join(manifest.features, ", "))));
  }
  if (dataset->kind() == models::Dataset::Kind::Images && !manifest.features.empty()) {
    return wrong(fmt::format("data set {} holds images, but model {} takes rows of numbers",
                             directory.string(), manifest.name));
  }
  const auto count = dataset->size(split);
  if (!count) return count.error();
  if (*count == 0) {
    return wrong(fmt::format("split {} of data set {} is empty", split, directory.string()));
  }
  ModelSamples samples;
  samples.count = *count;
  samples.skipped = dataset->skipped();
  samples.fetch = [dataset, split](std::size_t i) { return dataset->sample(split, i); };
  return samples;
}

}  // namespace spate::app
