// SPDX-License-Identifier: Apache-2.0
#include "spate/app/model_command.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "spate/base/files.h"
#include "spate/models/load.h"

namespace spate::app {
namespace {

using models::Manifest;

double held_out(const Manifest& manifest, const char* name) {
  const auto found = manifest.held_out.find(name);
  return found == manifest.held_out.end() ? 0.0 : found->second;
}

int show_info(const std::filesystem::path& directory, bool as_json) {
  const auto manifest = models::read_manifest(directory);
  if (!manifest) return fail(manifest.error());
  const auto files = models::verify_files(directory, *manifest);
  const auto runtime = models::runtime_of(manifest->kind);
  if (as_json) {
    auto text = read_file(directory / models::kManifestFile);
    if (!text) return fail(text.error());
    auto object = nlohmann::ordered_json::parse(*text);
    object["files_verified"] = files.has_value();
    object["runtime"] = runtime ? nlohmann::ordered_json(*runtime) : nlohmann::ordered_json();
    fmt::print("{}\n", object.dump(2));
    return files ? kDone : fail(files.error());
  }
  const Manifest& m = *manifest;
  fmt::print("{}\n  kind      {} ({}), version {}\n  task      {}\n", m.name, m.kind, m.variant,
             m.version, to_string(m.task));
  if (!m.features.empty()) {
    fmt::print("  target    {}\n  features  {}: {}\n", m.target, m.features.size(),
               fmt::join(m.features, ", "));
  }
  if (!m.classes.empty()) {
    constexpr std::size_t kShown = 12;
    const auto shown = std::min(m.classes.size(), kShown);
    fmt::print(
        "  classes   {}: {}{}\n", m.classes.size(),
        fmt::join(m.classes.begin(), m.classes.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
        shown < m.classes.size() ? ", …" : "");
  }
  if (m.backbone == "random") {
    fmt::print("  backbone  random: seeded, not pre-trained; only the last layer is trained\n");
  } else if (!m.backbone.empty()) {
    fmt::print("  backbone  {}\n", m.backbone);
  }
  const auto quality = quality_text(m);
  fmt::print("  held out  {}\n", quality.empty() ? "not measured" : quality);
  for (const auto& [name, hash] : m.files) fmt::print("  file      {}  sha256 {}\n", name, hash);
  fmt::print("  runtime   {}\n", runtime ? *runtime : runtime.error().message);
  if (!m.created_by.empty()) fmt::print("  made by   {}\n", m.created_by);
  if (!files) return fail(files.error());
  fmt::print("  files     agree with the manifest\n");
  return kDone;
}

}  // namespace

std::string quality_text(const Manifest& manifest) {
  if (manifest.held_out.empty()) return {};
  const double rows = held_out(manifest, "held_out_rows");
  std::string text;
  if (manifest.task == models::Task::Regression) {
    text = fmt::format("root mean square error {:.4g}, against {:.4g} for always the mean",
                       held_out(manifest, "rmse"), held_out(manifest, "baseline_rmse"));
    if (manifest.held_out.contains("r2")) {
      text += fmt::format("; R² {:.4f}", held_out(manifest, "r2"));
    }
  } else {
    text = fmt::format("accuracy {:.3f}, against {:.3f} for always the most frequent class",
                       held_out(manifest, "accuracy"), held_out(manifest, "baseline_accuracy"));
    if (manifest.held_out.contains("balanced_accuracy")) {
      text += fmt::format("; mean over classes {:.3f}", held_out(manifest, "balanced_accuracy"));
    }
  }
  if (rows > 0) text += fmt::format("; {:.0f} held-out samples", rows);
  return text;
}

void print_build(const models::BuildReport& report, const std::filesystem::path& out) {
  for (const auto& note : report.notes) fmt::print("  {}\n", note);
  const auto quality = quality_text(report.manifest);
  fmt::print("  held out: {}\n", quality.empty() ? "no rows, so quality is unknown" : quality);
  fmt::print("saved {} (version {})\n", out.string(), report.manifest.version);
}

void add_model_command(CLI::App& app, Run& run) {
  auto* model = app.add_subcommand("model", "Build, import, inspect and try models.");
  model->require_subcommand(1);
  model->footer(
      "Example:\n"
      "  spate model build linear --dataset data/temperature --out var/models/linear\n"
      "  spate model predict var/models/linear data/temperature/held_out.csv");
  auto* build = model->add_subcommand(
      "build", "Train a model and save it; prints its held-out quality beside a trivial baseline.");
  build->require_subcommand(1);
  add_model_build_tables(*build, run);
  add_image_model_commands(*model, *build, run);

  struct Settings {
    std::string directory;
    bool json = false;
  };
  auto settings = std::make_shared<Settings>();
  auto* info = model->add_subcommand(
      "info", "Show what a model is, and check its files against their sha256.");
  info->add_option("directory", settings->directory, "Model directory, such as var/models/linear")
      ->required();
  info->add_flag("--json", settings->json,
                 "Print the manifest as JSON, with files_verified and runtime");
  info->footer("Example:\n  spate model info var/models/linear\n\n" + usual_exit_text());
  info->callback([settings, &run] {
    run = [settings] { return show_info(settings->directory, settings->json); };
  });

  add_model_predict(*model, run);
  add_model_bench(*model, run);
}

}  // namespace spate::app
