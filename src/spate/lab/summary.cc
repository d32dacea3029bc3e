// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/summary.h"

#include <algorithm>

#include "spate/base/files.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

Json member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() ? Json() : *at;
}

}  // namespace

Result<Summary> summarise(const std::filesystem::path& directory,
                          const std::optional<Prices>& prices) {
  Summary out;
  out.directory = directory;
  for (const auto& path : find_runs(directory)) {
    auto files = read_run(path);
    if (!files) return files.error();
    if (prices) files->scenario["prices"] = judge::to_json(*prices);
    out.files.push_back(std::move(files).value());
  }
  if (out.files.empty()) {
    return Error{ErrorCode::NotFound,
                 directory.string() +
                     " holds no run: expected a directory made by spate run or "
                     "spate compare (docs/run-directory.md)"};
  }
  std::stable_sort(out.files.begin(), out.files.end(), [](const RunFiles& a, const RunFiles& b) {
    return number_of(a.run, "started_unix_s") < number_of(b.run, "started_unix_s");
  });
  for (const auto& files : out.files) out.runs.push_back(judge_run(files));

  Json experiment;
  if (const auto text = read_file(directory / "experiment.json")) {
    experiment = Json::parse(*text, nullptr, false);
  }
  std::vector<std::string> order;
  for (const Json& label : member(experiment, "strategies")) {
    if (label.is_string()) order.push_back(label.get<std::string>());
  }
  out.comparison = compare_runs(out.runs, order);

  const RunFiles& first = out.files.front();
  out.json = comparison_json(out.comparison);
  out.json["schema"] = kSummarySchema;
  out.json["scenario"] = text_of(first.scenario, "name");
  out.json["description"] = text_of(first.scenario, "description");
  out.json["seed"] = member(first.scenario, "seed");
  out.json["repetitions"] = member(experiment, "repetitions");
  out.json["duration_s"] = member(first.scenario, "duration_s");
  out.json["started_unix_s"] = member(first.run, "started_unix_s");
  // What has not been measured must say so wherever it is looked at.
  const Json simulated = member(first.run, "simulated");
  if (simulated.is_object()) {
    out.json["simulated"] = {{"profile", member(simulated, "profile")},
                             {"mode", member(simulated, "mode")}};
  }
  out.json["machine"] = member(first.run, "machine");
  out.json["versions"] = member(first.run, "versions");
  out.json["broker"] = member(first.run, "broker");
  out.json["prices"] = member(first.scenario, "prices");
  out.json["model_order"] = member(first.scenario, "model_order");
  out.json["runs"] = Json::array();
  for (const auto& run : out.runs) out.json["runs"].push_back(results_json(run));
  return out;
}

Status write_summary(const Summary& summary) {
  return write_file(summary.directory / "summary.json", summary.json.dump(1) + "\n");
}

}  // namespace spate::lab
