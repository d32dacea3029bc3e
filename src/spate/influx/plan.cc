// SPDX-License-Identifier: Apache-2.0
#include "spate/influx/plan.h"

#include <fmt/format.h>

#include "spate/base/config_error.h"
#include "spate/base/csv.h"
#include "spate/base/files.h"
#include "spate/models/dataset.h"

namespace spate::influx {
namespace {

constexpr double kHour_ms = 3'600'000.0;
constexpr double kMonth_s = 31.0 * 86400.0;

void read_broker(const ConfigReader& reader, GeneratorOptions& options) {
  reader.allow_only({"host", "port", "username", "password_file"});
  options.host = reader.text_or("host", options.host);
  options.port = static_cast<std::uint16_t>(reader.integer_or("port", options.port, 1, 65535));
  options.username = reader.text_or("username", "");
  const std::string file = reader.text_or("password_file", "");
  if (!file.empty()) options.password = read_password(file);
}

ModelPlan read_model(const ConfigReader& reader, double duration_s, bool replayed) {
  reader.allow_only({"name", "topic", "dataset", "split", "model_path", "expected", "deadline_ms",
                     "slo_latency_ms", "profile", "arrivals"});
  ModelPlan model;
  model.name = reader.at("name").text();
  if (model.name.empty() || model.name.find_first_of("/+#") != std::string::npos) {
    reader.at("name").fail("a name that fits into an MQTT topic level");
  }
  model.topic = reader.text_or("topic", "spate/v1/infer/" + model.name);
  model.dataset = reader.at("dataset").text();
  model.split = reader.text_or("split", "held_out");
  model.model_path = reader.text_or("model_path", "");
  model.expected = reader.text_or("expected", "");
  model.deadline = reader.milliseconds_or("deadline_ms", Duration{0}, 0.0, kHour_ms);
  model.slo_latency = reader.at("slo_latency_ms").milliseconds(1e-3, kHour_ms);
  if (const auto profile = reader.find("profile")) {
    model.profile =
        std::make_shared<const Profile>(read_profile(*profile, {duration_s, std::nullopt, {}}));
  } else if (!replayed) {
    (void)reader.at("profile");
  }
  if (const auto arrivals = reader.find("arrivals")) model.arrivals = read_arrivals(*arrivals);
  return model;
}

struct Samples {
  std::vector<RequestBody> bodies;
  std::vector<Expected> labels;
};

Samples load_samples(const ModelPlan& model) {
  const auto dataset = models::Dataset::open(model.dataset);
  if (!dataset) throw ConfigError("model " + model.name + ": " + dataset.error().message);
  const auto size = dataset->size(model.split);
  if (!size) throw ConfigError("model " + model.name + ": " + size.error().message);
  if (*size == 0) {
    throw ConfigError(fmt::format("model {}: data set {} has no sample in split {}", model.name,
                                  model.dataset.string(), model.split));
  }
  Samples samples;
  for (std::size_t i = 0; i < *size; ++i) {
    auto sample = dataset->sample(model.split, i);
    if (!sample) throw ConfigError("model " + model.name + ": " + sample.error().message);
    samples.bodies.push_back({std::move(sample->content_type), std::move(sample->payload)});
    Expected expected;
    if (dataset->task() == models::Task::Classification) {
      expected.label_class = std::move(sample->label);
    } else {
      expected.label_value = parse_cell(sample->label);
    }
    samples.labels.push_back(std::move(expected));
  }
  return samples;
}

std::vector<Expected> expected_of(const ModelPlan& model, std::vector<Expected> labels) {
  if (model.expected.empty()) return labels;
  auto expected = read_expected(model.expected, labels.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i].predicted_class && !expected[i].label_class) {
      expected[i].label_class = labels[i].label_class;
    }
    if (expected[i].predicted_value && !expected[i].label_value) {
      expected[i].label_value = labels[i].label_value;
    }
  }
  return expected;
}

Schedule schedule_for(const Plan& plan, const std::vector<LoadModel>& load) {
  ScheduleOptions options{plan.seed, plan.run, plan.warm_up_s, plan.duration_s, {}};
  for (std::size_t m = 0; m < load.size(); ++m) {
    options.models.push_back({plan.models[m].name,
                              static_cast<std::uint32_t>(load[m].samples.size()),
                              plan.models[m].profile, plan.models[m].arrivals});
  }
  if (plan.replay.empty()) return make_schedule(options);
  Schedule schedule = load_schedule(plan.replay);
  bool fits = schedule.models.size() == options.models.size();
  for (std::size_t m = 0; fits && m < options.models.size(); ++m) {
    fits = schedule.models[m] == ScheduleModel{options.models[m].name, options.models[m].samples};
  }
  if (!fits) {
    std::string saved;
    for (const auto& m : schedule.models)
      saved += fmt::format(" {} ({} samples)", m.name, m.samples);
    std::string here;
    for (const auto& m : options.models) here += fmt::format(" {} ({} samples)", m.name, m.samples);
    throw ConfigError(
        fmt::format("{}: made for{}, but this run has{}", plan.replay.string(), saved, here));
  }
  return schedule;
}

}  // namespace

std::string read_password(const std::filesystem::path& file) {
  auto text = read_file(file);
  if (!text) throw ConfigError("password file: " + text.error().message);
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  return *std::move(text);
}

Plan read_plan(const ConfigReader& reader) {
  reader.allow_only({"broker", "run_dir", "seed", "run", "qos", "warm_up_s", "duration_s",
                     "settle_s", "models", "min_samples", "poll_window_us", "save_schedule",
                     "replay", "metrics"});
  Plan plan;
  if (const auto broker = reader.find("broker")) read_broker(*broker, plan.generator);
  plan.run_dir = reader.text_or("run_dir", "");
  plan.seed = static_cast<std::uint64_t>(
      reader.integer_or("seed", 1, 0, std::numeric_limits<std::int64_t>::max()));
  plan.run = static_cast<std::uint64_t>(reader.integer_or("run", 0, 0, 1'000'000'000));
  plan.generator.qos = static_cast<mqtt::Qos>(reader.integer_or("qos", 1, 0, 1));
  plan.warm_up_s = reader.number_or("warm_up_s", 0.0, 0.0, 86400.0);
  plan.duration_s = reader.at("duration_s").number(0.1, kMonth_s);
  plan.generator.settle = reader.seconds_or("settle_s", plan.generator.settle, 0.0, 3600.0);
  plan.generator.poll_window =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::micro>(
          reader.number_or("poll_window_us", 50.0, 0.0, 1e6)));
  plan.rules.min_samples = static_cast<std::uint64_t>(reader.integer_or(
      "min_samples", static_cast<std::int64_t>(plan.rules.min_samples), 0, 1'000'000'000));
  if (const auto metrics = reader.find("metrics")) {
    metrics->allow_only({"host", "port"});
    MetricsPlan& m = plan.metrics.emplace();
    m.host = metrics->text_or("host", m.host);
    m.port = static_cast<std::uint16_t>(metrics->integer_or("port", 0, 0, 65535));
  }
  plan.save_schedule = reader.text_or("save_schedule", "");
  plan.replay = reader.text_or("replay", "");
  for (const ConfigReader& model : reader.at("models").list()) {
    plan.models.push_back(read_model(model, plan.duration_s, !plan.replay.empty()));
    for (std::size_t m = 0; m + 1 < plan.models.size(); ++m) {
      if (plan.models[m].name == plan.models.back().name) {
        model.at("name").complain("this model stands twice");
      }
    }
  }
  if (plan.models.empty()) reader.at("models").fail("at least one model");
  return plan;
}

Prepared prepare(Plan& plan) {
  Prepared prepared;
  for (const ModelPlan& model : plan.models) {
    Samples samples = load_samples(model);
    prepared.checked.push_back({model.slo_latency, expected_of(model, std::move(samples.labels))});
    prepared.load.push_back({model.topic, model.deadline, std::move(samples.bodies)});
  }
  prepared.schedule = schedule_for(plan, prepared.load);
  plan.seed = prepared.schedule.seed;
  plan.run = prepared.schedule.run;
  plan.warm_up_s = to_seconds(prepared.schedule.warm_up);
  plan.duration_s = to_seconds(prepared.schedule.duration);
  if (!plan.save_schedule.empty()) save_schedule(prepared.schedule, plan.save_schedule);
  return prepared;
}

}  // namespace spate::influx
