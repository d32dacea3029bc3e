// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/preflight.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "spate/adapters/external_strategy.h"
#include "spate/base/config_error.h"
#include "spate/base/files.h"
#include "spate/base/sha256.h"
#include "spate/models/dataset.h"
#include "spate/models/manifest.h"
#include "spate/scaling/strategies.h"

namespace spate::lab {
namespace {

constexpr Duration kInfoLimit = std::chrono::seconds(60);
constexpr Duration kPredictLimit = std::chrono::minutes(10);

std::string make_hint(const ModelScenario& m) {
  return fmt::format(
      "\n  scripts/models makes the models and data sets of the shipped scenarios; your own: spate "
      "model build --help, spate dataset --help (wanted by models.{} of the scenario)",
      m.name);
}

}  // namespace

void check_strategies(const Scenario& scenario, const std::vector<std::string>& labels) {
  // Demand is not resolved yet; that there will be some is enough here.
  scaling::DemandByModel demand;
  for (const auto& model : scenario.models) demand[model.name].rates_per_s = {0.0};
  const auto registry = adapters::all_strategies(
      adapters::ExternalPace::Live, std::make_shared<adapters::ExternalFaults>(), demand);
  for (const auto& label : labels) {
    const StrategyChoice choice = scenario.strategy(label);
    const std::string where =
        choice.label == choice.kind ? "strategy" : "strategies." + choice.label + ".kind";
    const auto options =
        ConfigReader::from_text(choice.options_json, "strategies." + choice.label + ".options");
    (void)registry.make(choice.kind, options, where);
  }
}

void check_inputs(const Scenario& scenario) {
  for (const auto& m : scenario.models) {
    const auto manifest = models::read_manifest(m.model);
    if (!manifest) throw ConfigError(manifest.error().message + make_hint(m));
    const auto dataset = models::Dataset::open(m.dataset);
    if (!dataset) throw ConfigError(dataset.error().message + make_hint(m));
    const auto size = dataset->size(m.split);
    if (!size) throw ConfigError(size.error().message);
    if (*size == 0) {
      throw ConfigError(fmt::format("{}: its split {} is empty", m.dataset.string(), m.split));
    }
    if (dataset->kind() == models::Dataset::Kind::Table &&
        manifest->features != dataset->features()) {
      throw ConfigError(fmt::format("models.{}: the model's features ({}) are not those of {} ({})",
                                    m.name, fmt::join(manifest->features, ", "), m.dataset.string(),
                                    fmt::join(dataset->features(), ", ")));
    }
  }
}

Result<std::string> dataset_fingerprint(const std::filesystem::path& directory) {
  std::vector<std::string> lines;
  std::error_code failed;
  for (auto it = std::filesystem::recursive_directory_iterator(directory, failed);
       !failed && it != std::filesystem::recursive_directory_iterator(); it.increment(failed)) {
    if (!it->is_regular_file(failed)) continue;
    const auto name = std::filesystem::relative(it->path(), directory, failed).string();
    const std::string extension = it->path().extension().string();
    if (extension == ".csv" || extension == ".json") {
      const auto sha = sha256_hex_of_file(it->path());
      if (!sha) return sha.error();
      lines.push_back(name + " " + *sha);
    } else {
      const auto time = it->last_write_time(failed).time_since_epoch();
      lines.push_back(fmt::format("{} {} {}", name, it->file_size(failed), time.count()));
    }
  }
  if (failed) {
    return Error{ErrorCode::NotFound,
                 "cannot read " + directory.string() + ": " + failed.message()};
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return sha256_hex(all);
}

Result<std::filesystem::path> expected_answers(Supervisor& supervisor,
                                               const std::filesystem::path& program,
                                               const ModelScenario& model,
                                               const std::filesystem::path& cache,
                                               const std::filesystem::path& log) {
  const auto manifest = models::read_manifest(model.model);
  if (!manifest) return manifest.error();
  const auto data = dataset_fingerprint(model.dataset);
  if (!data) return data.error();
  std::string key = manifest->kind + " " + manifest->version + " " + manifest->variant + " " +
                    *data + " " + model.split;
  for (const auto& [file, sha] : manifest->files) key += " " + file + " " + sha;
  const auto file = std::filesystem::absolute(
      cache / fmt::format("{}-{}.jsonl", model.name, sha256_hex(key).substr(0, 12)));
  std::error_code failed;
  if (std::filesystem::exists(file, failed)) return file;
  std::filesystem::create_directories(file.parent_path(), failed);
  // A file that was half made must not be taken for a whole one.
  const std::filesystem::path partial = file.string() + ".part";
  const std::vector<std::string> command = {
      program.string(),       "model",   "predict",   model.model.string(), "--dataset",
      model.dataset.string(), "--split", model.split, "--expected",         partial.string()};
  const auto status = supervisor.run(command, log, kPredictLimit);
  if (!status) return status.error();
  if (!status->success()) {
    const auto said = read_file(log);
    return Error{
        ErrorCode::Unavailable,
        fmt::format("the offline predictions of {} could not be made ({}): {}\n{}", model.name,
                    status->describe(), fmt::join(command, " "),
                    said ? said->substr(said->size() > 1000 ? said->size() - 1000 : 0) : "")};
  }
  std::filesystem::rename(partial, file, failed);
  if (failed) {
    return Error{ErrorCode::Internal, "cannot write " + file.string() + ": " + failed.message()};
  }
  return file;
}

Result<nlohmann::json> model_info(Supervisor& supervisor, const std::filesystem::path& program,
                                  const ModelScenario& model, const std::filesystem::path& log) {
  std::error_code failed;
  std::filesystem::remove(log, failed);
  const auto status = supervisor.run(
      {program.string(), "model", "info", model.model.string(), "--json"}, log, kInfoLimit);
  if (!status) return status.error();
  const auto text = read_file(log);
  if (!text) return text.error();
  auto info = nlohmann::json::parse(*text, nullptr, false);
  if (!status->success() || !info.is_object()) {
    return Error{ErrorCode::InvalidArgument,
                 fmt::format("the model {} cannot be used ({}): {}", model.model.string(),
                             status->describe(), *text)};
  }
  return info;
}

}  // namespace spate::lab
