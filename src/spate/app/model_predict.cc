// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "spate/app/model_command.h"
#include "spate/app/model_samples.h"
#include "spate/base/config_error.h"
#include "spate/base/csv.h"
#include "spate/base/files.h"
#include "spate/models/load.h"

namespace spate::app {
namespace {

using models::Prediction;
using models::RowPrediction;
using models::Task;
using nlohmann::ordered_json;

struct PredictSettings {
  std::string directory;
  std::string input;
  std::string dataset;
  std::string split = "held_out";
  std::string expected;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  bool json = false;
};

struct Answer {
  Result<Prediction> prediction = Error{};
  std::string source;
  std::string label;
};

// Each thread takes the next sample until none is left. One sample a call, so that the answers
// are those of any worker.
std::vector<Answer> predict_all(models::Model& model, const ModelSamples& samples, int threads) {
  std::vector<Answer> answers(samples.count);
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < answers.size(); i = next++) {
      auto sample = samples.fetch(i);
      if (!sample) {
        answers[i].prediction = sample.error();
        continue;
      }
      const models::Input input{sample->content_type, sample->payload};
      answers[i] = {model.predict({&input, 1}).front(), sample->source, sample->label};
    }
  };
  std::vector<std::thread> pool;
  const auto wanted = std::min<std::size_t>(static_cast<std::size_t>(threads), answers.size());
  for (std::size_t t = 1; t < wanted; ++t) pool.emplace_back(work);
  work();
  for (auto& thread : pool) thread.join();
  return answers;
}

std::string dump(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json label_json(const models::Manifest& manifest, const std::string& label) {
  if (manifest.task == Task::Classification) return label;
  const auto number = parse_cell(label);
  return number ? ordered_json(*number) : ordered_json(nullptr);
}

// One line of the expected file: {"i":0,"class":"pits","label":"pits"}.
ordered_json expected_line(std::size_t i, const models::Manifest& manifest, const Answer& answer) {
  ordered_json line{{"i", i}};
  if (!answer.prediction) {
    line["error"] = answer.prediction.error().message;
  } else if (manifest.task == Task::Classification) {
    line["class"] = answer.prediction->rows.front().top.front().label;
  } else {
    line["prediction"] = *answer.prediction->rows.front().value;
  }
  if (!answer.label.empty()) line["label"] = label_json(manifest, answer.label);
  return line;
}

void print_json(const models::Manifest& manifest, const Answer& answer, bool single) {
  ordered_json tail;
  if (!single) tail["source"] = answer.source;
  if (!answer.label.empty()) tail["label"] = label_json(manifest, answer.label);
  std::string text = "{";
  text += answer.prediction ? models::to_json_fragment(*answer.prediction)
                            : "\"error\":" + dump(answer.prediction.error().message);
  if (!tail.empty()) text += "," + dump(tail).substr(1, dump(tail).size() - 2);
  fmt::print("{}}}\n", text);
}

std::string in_words(const RowPrediction& row) {
  if (row.value) return fmt::format("{}", *row.value);
  if (row.top.empty()) return "no answer";
  std::string text = fmt::format("{} ({:.3f})", row.top.front().label, row.top.front().probability);
  for (std::size_t k = 1; k < row.top.size(); ++k) {
    text += fmt::format("{}{} {:.3f}", k == 1 ? "; then " : ", ", row.top[k].label,
                        row.top[k].probability);
  }
  return text;
}

void print_words(const Answer& answer, bool single) {
  const std::string head = single ? "" : answer.source + ": ";
  const std::string tail = answer.label.empty() ? "" : "  [is " + answer.label + "]";
  for (const auto& row : answer.prediction->rows) {
    fmt::print("{}{}{}\n", head, in_words(row), tail);
  }
}

// How the labelled answers compare with their labels.
std::string summary(const models::Manifest& manifest, const std::vector<Answer>& answers) {
  double count = 0.0;
  double right = 0.0;
  double squared = 0.0;
  for (const auto& answer : answers) {
    if (!answer.prediction || answer.label.empty()) continue;
    const RowPrediction& row = answer.prediction->rows.front();
    if (manifest.task == Task::Classification) {
      right += row.top.front().label == answer.label ? 1.0 : 0.0;
    } else if (const auto truth = parse_cell(answer.label)) {
      squared += (*row.value - *truth) * (*row.value - *truth);
    } else {
      continue;
    }
    count += 1.0;
  }
  if (count == 0.0) return {};
  if (manifest.task == Task::Classification) {
    return fmt::format("accuracy {:.3f} ({:.0f} of {:.0f} labelled samples)", right / count, right,
                       count);
  }
  return fmt::format("root mean square error {:.4g} over {:.0f} labelled samples",
                     std::sqrt(squared / count), count);
}

Status write_expected(const std::filesystem::path& file, const models::Manifest& manifest,
                      const std::vector<Answer>& answers) {
  std::string text;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    text += dump(expected_line(i, manifest, answers[i])) + "\n";
  }
  return write_file(file, text);
}

int report(const PredictSettings& settings, const models::Manifest& manifest,
           const ModelSamples& samples, const std::vector<Answer>& answers) {
  const bool quiet = !settings.expected.empty();  // the file holds the answers
  std::size_t failed = 0;
  for (const auto& answer : answers) {
    if (!answer.prediction) {
      ++failed;
      if (samples.single && !settings.json) return fail(answer.prediction.error());
      std::fflush(stdout);
      fmt::print(stderr, "spate: {}: {}\n", answer.source, answer.prediction.error().message);
    }
    if (quiet) continue;
    if (settings.json) {
      print_json(manifest, answer, samples.single);
    } else if (answer.prediction) {
      print_words(answer, samples.single);
    }
  }
  std::fflush(stdout);
  constexpr std::size_t kNamed = 20;
  for (std::size_t i = 0; i < samples.skipped.size() && i < kNamed; ++i) {
    fmt::print(stderr, "spate: {}: left out: {}\n", samples.skipped[i].source,
               samples.skipped[i].reason);
  }
  if (samples.skipped.size() > kNamed) {
    fmt::print(stderr, "spate: and {} more left out\n", samples.skipped.size() - kNamed);
  }
  if (quiet) {
    const auto written = write_expected(settings.expected, manifest, answers);
    if (!written) return fail(written.error());
    fmt::print("{} answers written to {}\n", answers.size(), settings.expected);
  }
  if (!settings.json && !samples.single) {
    const auto text = summary(manifest, answers);
    if (!text.empty()) fmt::print("{}\n", text);
    if (!samples.skipped.empty()) {
      fmt::print("{} samples left out, see above\n", samples.skipped.size());
    }
    if (failed > 0) fmt::print("{} of {} samples failed, see above\n", failed, answers.size());
  }
  return failed > 0 ? kFailed : kDone;
}

int predict(const PredictSettings& settings) {
  if (settings.input.empty() == settings.dataset.empty()) {
    throw ConfigError(
        "model predict: expected either an input (row, JSON, CSV, image or folder) "
        "or --dataset DIR");
  }
  if (!settings.expected.empty() && settings.dataset.empty()) {
    throw ConfigError("model predict: --expected needs --dataset");
  }
  const auto model = models::load_model(settings.directory);
  if (!model) return fail(model.error());
  const auto& manifest = (*model)->manifest();
  auto samples = settings.dataset.empty()
                     ? samples_of_input(settings.input, manifest)
                     : samples_of_dataset(settings.dataset, settings.split, manifest);
  if (!samples) return fail(samples.error());
  const auto answers = predict_all(**model, *samples, settings.threads);
  return report(settings, manifest, *samples, answers);
}

}  // namespace

void add_model_predict(CLI::App& model, Run& run) {
  auto settings = std::make_shared<PredictSettings>();
  auto* command = model.add_subcommand(
      "predict",
      "Answer one input or many. Where the true answers are known (the target's column of a CSV, a "
      "data set's labels) the quality is printed too.");
  command->add_option("directory", settings->directory, "Model directory")->required();
  command->add_option("input", settings->input,
                      "A row (1.2,3.4,…), a JSON request, a CSV, a JPEG or PNG, or a folder of "
                      "images");
  command->add_option("--dataset", settings->dataset, "Answer a data set instead of an input");
  command->add_option("--split", settings->split, "Of the data set")
      ->check(CLI::IsMember({"train", "held_out", "all"}))
      ->capture_default_str();
  command->add_option("--expected", settings->expected,
                      "With --dataset: write one JSON line a sample to this file, by which `spate "
                      "influx` checks answers: {\"i\":0,\"class\":…,\"label\":…} or "
                      "{\"i\":0,\"prediction\":…,\"label\":…}");
  command->add_option("--threads", settings->threads, "Samples answered at once")
      ->check(CLI::Range(1, 1024))
      ->default_str("as many as CPUs");
  command->add_flag("--json", settings->json, "Print one JSON object a sample");
  command->footer(
      "Examples:\n"
      "  spate model predict var/models/linear data/temperature/held_out.csv\n"
      "  spate model predict var/models/xgboost '{\"features\":{\"precipitation\":0,…}}' --json\n"
      "  spate model predict var/models/resnet50 --dataset var/datasets/surface --split held_out "
      "--expected expected.jsonl\n\n" +
      exit_text({{kDone, "every input was answered"},
                 {kFailed,
                  "it failed, or an input could not be answered (each is named with the "
                  "reason)"},
                 {kBadSettings, "bad settings, or what was named is missing or wrong"}}));
  command->callback([settings, &run] { run = [settings] { return predict(*settings); }; });
}

}  // namespace spate::app
