// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "spate/app/command.h"
#include "spate/models/dataset.h"
#include "spate/models/load.h"
#include "spate/models/surface/surface_dataset.h"

namespace spate::app {
namespace {

namespace fs = std::filesystem;
using models::Dataset;

std::size_t count(const Dataset& dataset, const char* split) { return *dataset.size(split); }

std::string kind_text(const Dataset& dataset) {
  if (dataset.kind() == Dataset::Kind::Images) {
    return fmt::format("images, {} classes", dataset.classes().size());
  }
  return dataset.task() == models::Task::Regression
             ? "table, regression"
             : fmt::format("table, {} classes", dataset.classes().size());
}

bool has_dataset(const fs::path& directory) {
  std::error_code failed;
  return fs::exists(directory / "dataset.json", failed) ||
         fs::exists(directory / "labels.csv", failed) ||
         fs::exists(directory / "train.csv", failed);
}

int list(const std::vector<std::string>& parents) {
  std::vector<fs::path> found;
  for (const auto& parent : parents) {
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(parent, failed)) {
      if (entry.is_directory() && has_dataset(entry.path())) found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  int status = kDone;
  for (const auto& directory : found) {
    const auto dataset = Dataset::open(directory);
    if (!dataset) {
      status = fail(dataset.error());
      continue;
    }
    fmt::print("{:<26} {:<22} {:>7} train {:>6} held out\n", directory.string(),
               kind_text(*dataset), count(*dataset, "train"), count(*dataset, "held_out"));
  }
  if (found.empty()) {
    fmt::print(
        "no data sets in {}; make images with: spate dataset make surface --out "
        "var/datasets/surface\n",
        fmt::join(parents, ", "));
  }
  return status;
}

std::map<std::string, std::size_t> label_counts(const Dataset& dataset, const char* split) {
  std::map<std::string, std::size_t> counts;
  if (dataset.task() == models::Task::Regression) return counts;
  for (std::size_t i = 0; i < count(dataset, split); ++i) ++counts[*dataset.label(split, i)];
  return counts;
}

int info_json(const Dataset& dataset, const fs::path& directory) {
  nlohmann::ordered_json out;
  out["directory"] = directory.string();
  out["name"] = dataset.name();
  out["kind"] = dataset.kind() == Dataset::Kind::Images ? "images" : "table";
  out["task"] = to_string(dataset.task());
  out["target"] = dataset.target();
  out["features"] = dataset.features();
  out["classes"] = dataset.classes();
  for (const char* split : {"train", "held_out"}) {
    out["samples"][split] = count(dataset, split);
    if (!dataset.classes().empty()) out["labels"][split] = label_counts(dataset, split);
  }
  out["skipped"] = nlohmann::ordered_json::array();
  for (const auto& skipped : dataset.skipped()) {
    out["skipped"].push_back({{"source", skipped.source}, {"reason", skipped.reason}});
  }
  out["description"] = nlohmann::ordered_json::parse(dataset.description_json());
  fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  return kDone;
}

int info(const fs::path& directory, bool as_json) {
  const auto dataset = Dataset::open(directory);
  if (!dataset) return fail(dataset.error());
  if (as_json) return info_json(*dataset, directory);
  fmt::print("{} ({})\n  samples   {} train, {} held out\n", dataset->name(), kind_text(*dataset),
             count(*dataset, "train"), count(*dataset, "held_out"));
  if (dataset->kind() == Dataset::Kind::Table) {
    fmt::print("  target    {}\n  features  {}\n", dataset->target(),
               fmt::join(dataset->features(), ", "));
  }
  const auto train = label_counts(*dataset, "train");
  const auto held_out = label_counts(*dataset, "held_out");
  for (const auto& label : dataset->classes()) {
    const auto of = [&](const auto& counts) {
      return counts.contains(label) ? counts.at(label) : std::size_t{0};
    };
    fmt::print("  {:<20} {:>6} train {:>6} held out\n", label, of(train), of(held_out));
  }
  const auto description = nlohmann::json::parse(dataset->description_json());
  for (const char* key : {"description", "split"}) {
    if (description.contains(key) && description[key].is_string()) {
      fmt::print("  {}: {}\n", key, description[key].get<std::string>());
    }
  }
  if (description.contains("source") && description["source"].is_object()) {
    for (const auto& [key, value] : description["source"].items()) {
      fmt::print("  {}: {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  for (const auto& skipped : dataset->skipped()) {
    fmt::print("  left out: {}: {}\n", skipped.source, skipped.reason);
  }
  return kDone;
}

int make_surface(const fs::path& out, const models::SurfaceOptions& options) {
  const auto symbol = models::module_symbol("surface", "spate_surface_module");
  if (!symbol) return fail(symbol.error());
  const auto module = reinterpret_cast<models::SurfaceModule (*)()>(*symbol)();
  const auto made = module.make(out, options);
  if (!made) return fail(made.error());
  return info(out, false);
}

void add_make(CLI::App& dataset, Run& run) {
  auto* make = dataset.add_subcommand("make", "Generate a data set.");
  make->require_subcommand(1);
  struct Settings {
    std::string out;
    models::SurfaceOptions options;
  };
  auto settings = std::make_shared<Settings>();
  auto& options = settings->options;
  auto* surface = make->add_subcommand(
      "surface",
      "Labelled JPEGs of a steel-like surface under inspection: scratches, pits, patches, "
      "inclusions, crazing, scale and clean, in varied light, scale and noise. Equal seeds give "
      "equal files.");
  surface->add_option("--out", settings->out, "Directory to write, such as var/datasets/surface")
      ->required();
  surface->add_option("--count", options.count, "Images over all seven classes, in turn")
      ->check(CLI::Range(14, 1'000'000))
      ->capture_default_str();
  surface->add_option("--seed", options.seed, "Of everything random")->capture_default_str();
  surface->add_option("--held-out", options.held_out_ratio, "Share of each class marked held_out")
      ->capture_default_str();
  surface->footer(
      "Example:\n  spate dataset make surface --out var/datasets/surface --count 420\n\n" +
      usual_exit_text());
  surface->callback([settings, &run] {
    run = [settings] { return make_surface(settings->out, settings->options); };
  });
}

}  // namespace

void add_dataset_command(CLI::App& app, Run& run) {
  auto* dataset = app.add_subcommand("dataset", "List, inspect and generate data sets.");
  dataset->require_subcommand(1);
  dataset->footer("Example:\n  spate dataset info data/weather");

  auto parents =
      std::make_shared<std::vector<std::string>>(std::vector<std::string>{"data", "var/datasets"});
  auto* list_command = dataset->add_subcommand("list", "List the data sets of some directories.");
  list_command->add_option("--in", *parents, "Directories to look in")->capture_default_str();
  list_command->footer(usual_exit_text());
  list_command->callback([parents, &run] { run = [parents] { return list(*parents); }; });

  struct Settings {
    std::string directory;
    bool json = false;
  };
  auto settings = std::make_shared<Settings>();
  auto* info_command = dataset->add_subcommand(
      "info", "Show a data set: its splits, columns or classes, provenance, and bad files.");
  info_command
      ->add_option("directory", settings->directory,
                   "A table (train.csv, held_out.csv, dataset.json) or images (label/*.jpg, or "
                   "files and labels.csv)")
      ->required();
  info_command->add_flag("--json", settings->json, "Print one JSON object");
  info_command->footer("Example:\n  spate dataset info data/weather\n\n" + usual_exit_text());
  info_command->callback(
      [settings, &run] { run = [settings] { return info(settings->directory, settings->json); }; });
  add_make(*dataset, run);
}

}  // namespace spate::app
