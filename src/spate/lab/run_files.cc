// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/run_files.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "spate/base/files.h"

namespace spate::lab {
namespace {

using Json = nlohmann::json;

Json read_json(const std::filesystem::path& path, std::vector<std::string>& gaps) {
  const auto text = read_file(path);
  if (!text) {
    gaps.push_back("no " + path.filename().string());
    return nullptr;
  }
  Json value = Json::parse(text.value(), nullptr, false);
  if (value.is_discarded()) {
    gaps.push_back(path.filename().string() + " is not valid JSON");
    return nullptr;
  }
  return value;
}

// Calls `use` with each line's value. A line that is not JSON is a gap, except the last one of
// the file, which a killed writer may have cut short.
void read_lines(const std::filesystem::path& path, std::vector<std::string>& gaps,
                const std::function<void(const Json&)>& use) {
  const auto text = read_file(path);
  if (!text) {
    gaps.push_back("no " + path.filename().string());
    return;
  }
  const std::string& all = text.value();
  std::size_t begin = 0;
  std::size_t bad = 0;
  while (begin < all.size()) {
    std::size_t end = all.find('\n', begin);
    const bool last = end == std::string::npos;
    if (last) end = all.size();
    const Json value = Json::parse(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                   all.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (value.is_object()) {
      use(value);
    } else if (!last && end > begin) {
      ++bad;
    }
    begin = end + 1;
  }
  if (bad > 0) {
    gaps.push_back(std::to_string(bad) + " unreadable lines in " + path.filename().string());
  }
}

std::map<std::string, double> reasons(const Json& object, const char* key) {
  std::map<std::string, double> out;
  if (const auto at = object.find(key); at != object.end() && at->is_object()) {
    for (const auto& [reason, count] : at->items()) {
      if (count.is_number()) out[reason] = count.get<double>();
    }
  }
  return out;
}

GatewaySample gateway_sample(double unix_s, const Json& m) {
  GatewaySample s;
  s.unix_s = unix_s;
  s.arrived = number_of(m, "arrived");
  s.answered = number_of(m, "answered");
  s.rejected = reasons(m, "rejected");
  s.expired = number_of(m, "expired");
  s.redispatched = number_of(m, "redispatched");
  s.queue = number_of(m, "queue");
  s.in_flight = number_of(m, "in_flight");
  s.oldest_ms = number_of(m, "oldest_ms");
  s.p50_ms = number_of(m, "p50_ms");
  s.p99_ms = number_of(m, "p99_ms");
  s.wanted = number_of(m, "wanted");
  s.ready = number_of(m, "ready");
  s.starting = number_of(m, "starting");
  s.draining = number_of(m, "draining");
  s.parked = number_of(m, "parked");
  s.cpu_limit = number_of(m, "cpu_limit");
  s.cpu_reserved = number_of(m, "cpu_reserved");
  return s;
}

void add_series_line(const Json& line, RunFiles& out,
                     std::map<std::string, std::size_t>& component_index) {
  const double unix_s = number_of(line, "unix_s");
  std::map<std::string, GatewaySample> samples;
  if (const auto models = line.find("models"); models != line.end() && models->is_object()) {
    for (const auto& [name, m] : models->items()) samples[name] = gateway_sample(unix_s, m);
  }
  if (const auto list = line.find("components"); list != line.end() && list->is_array()) {
    for (const Json& c : *list) {
      const std::string component = text_of(c, "component");
      const std::string model = text_of(c, "model");
      const std::string replica = text_of(c, "replica");
      const std::string key = component + "/" + model + "/" + replica;
      const auto [at, added] = component_index.emplace(key, out.components.size());
      if (added) out.components.push_back({component, model, replica, {}});
      const ComponentSample sample{unix_s, number_of(c, "cpu_cores"), number_of(c, "memory_bytes"),
                                   number_of(c, "private_bytes"), number_of(c, "throttled_ratio")};
      out.components[at->second].samples.push_back(sample);
      if (component == "worker" && samples.contains(model)) {
        samples[model].memory_bytes += sample.memory_bytes;
        samples[model].cpu_cores += sample.cpu_cores;
      }
    }
  }
  for (auto& [name, sample] : samples) out.gateway[name].push_back(sample);
}

void add_influx_line(const Json& line, RunFiles& out) {
  InfluxSample s;
  s.unix_s = number_of(line, "unix_s");
  s.t_s = number_of(line, "t_s");
  s.sent = number_of(line, "sent");
  s.planned = line.contains("planned") ? number_of(line, "planned") : s.sent;
  s.answered = number_of(line, "answered");
  s.in_time = number_of(line, "in_time");
  s.wrong = number_of(line, "wrong");
  s.correct = number_of(line, "correct");
  s.rejected = reasons(line, "rejected");
  s.expired = number_of(line, "expired");
  s.lost = number_of(line, "lost");
  s.duplicate = number_of(line, "duplicate");
  s.p50_ms = number_of(line, "p50_ms");
  s.p99_ms = number_of(line, "p99_ms");
  s.lag_p99_ms = number_of(line, "lag_p99_ms");
  if (s.t_s < 0.0) return;  // the warm-up
  out.influx[text_of(line, "model")].push_back(s);
}

void find_window(RunFiles& out) {
  const double duration = number_of(out.scenario, "duration_s");
  double from = number_of(out.influx_summary, "start_unix_s");
  if (from == 0.0) {
    for (const auto& [name, samples] : out.influx) {
      if (samples.empty()) continue;
      const double start = samples.front().unix_s - samples.front().t_s;
      if (from == 0.0 || start < from) from = start;
    }
  }
  if (from == 0.0) from = number_of(out.run, "measured_from_unix_s");
  out.measured_from = from;
  out.measured_until = from + duration;
  // A run that was cut short is judged by what it measured.
  double last = 0.0;
  for (const auto& [name, samples] : out.influx) {
    if (!samples.empty()) last = std::max(last, samples.back().unix_s + 1.0);
  }
  if (out.run.value("interrupted", false) && last > from) {
    out.measured_until = std::min(out.measured_until, last);
  }
}

}  // namespace

const Json& child(const Json& object, const char* key) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto at = object.find(key);
  return at == object.end() ? nothing : *at;
}

double number_of(const Json& object, const char* key) {
  if (!object.is_object()) return 0.0;
  const auto at = object.find(key);
  return at != object.end() && at->is_number() ? at->get<double>() : 0.0;
}

std::string text_of(const Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

Result<RunFiles> read_run(const std::filesystem::path& directory) {
  RunFiles out;
  out.directory = directory;
  std::vector<std::string> required;
  out.run = read_json(directory / "run.json", required);
  out.scenario = read_json(directory / "scenario.json", required);
  if (!required.empty()) {
    return Error{ErrorCode::NotFound,
                 directory.string() + " is not a run directory: " + required.front()};
  }
  out.influx_summary = read_json(directory / "influx.summary.json", out.gaps);
  out.gateway_state = read_json(directory / "gateway.state.json", out.gaps);
  std::map<std::string, std::size_t> component_index;
  read_lines(directory / "series.jsonl", out.gaps,
             [&](const Json& line) { add_series_line(line, out, component_index); });
  read_lines(directory / "influx.series.jsonl", out.gaps,
             [&](const Json& line) { add_influx_line(line, out); });
  // A run under `none` may have decided nothing: no file is no gap.
  std::vector<std::string> ignored;
  read_lines(directory / "decisions.jsonl", ignored,
             [&](const Json& line) { out.decisions.push_back(line); });
  for (auto& [name, samples] : out.influx) {
    std::stable_sort(samples.begin(), samples.end(),
                     [](const auto& a, const auto& b) { return a.t_s < b.t_s; });
  }
  find_window(out);
  return out;
}

std::vector<std::filesystem::path> find_runs(const std::filesystem::path& directory) {
  std::error_code failed;
  if (std::filesystem::exists(directory / "run.json", failed)) return {directory};
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
    if (std::filesystem::exists(entry.path() / "run.json", failed)) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace spate::lab
