// SPDX-License-Identifier: Apache-2.0
#include "testing/run_fixture.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "spate/base/rng.h"

namespace spate::test {
namespace {

using Json = nlohmann::json;

constexpr double kStart = 1'700'000'000.0;
constexpr double kCapacity = 6.2;  // requests/s of 0.3 CPU
constexpr double kBytes = 60.0 * 1024 * 1024;

void write(const std::filesystem::path& file, const Json& json) {
  std::ofstream(file) << json.dump(1) << '\n';
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct Model {
  std::string name;
  bool scaled = false;
  double slo_ms = 250;
  double target = 0.99;
  double limit = 0.25;
  double rate = 50;  // constant, unless scaled
};

const std::vector<Model>& models() {
  static const std::vector<Model> all = {{"resnet50", true, 1000, 0.95, 0.3, 0},
                                         {"linear", false, 250, 0.99, 0.25, 50},
                                         {"xgboost", false, 250, 0.99, 0.25, 50}};
  return all;
}

class SyntheticRun {
 public:
  SyntheticRun(std::filesystem::path directory, std::string strategy, int repetition,
               const SyntheticExperiment& what, double start)
      : directory_(std::move(directory)),
        strategy_(std::move(strategy)),
        repetition_(repetition),
        what_(what),
        start_(start),
        rng_(7, strategy_, static_cast<std::uint64_t>(repetition)),
        ends_{15 * what.stretch, 45 * what.stretch, 75 * what.stretch, 105 * what.stretch} {}

  void write_all() {
    std::filesystem::create_directories(directory_);
    write(directory_ / "scenario.json", scenario());
    write(directory_ / "run.json", record());
    write(directory_ / "gateway.state.json", {{"pid", 1},
                                              {"http_port", 1},
                                              {"limit_mechanism", "cgroup_v1"},
                                              {"started_unix_s", start_ - 6}});
    series_.open(directory_ / "series.jsonl");
    influx_.open(directory_ / "influx.series.jsonl");
    decisions_.open(directory_ / "decisions.jsonl");
    for (const auto& m : models()) {
      for (int r = 1; r <= 1; ++r) start_replica(m.name, -5.0, 110 + 30 * rng_.uniform(), -5.0);
    }
    for (double t = -5; t < ends_[3] + 2; t += 1.0) second(t);
    Json all = Json::object();
    for (const auto& m : models()) all[m.name] = totals_[m.name];
    for (auto& [name, t] : all.items()) {
      t["p50_ms"] = name == "resnet50" ? 182.0 : 2.4;
      t["p99_ms"] = name == "resnet50" ? (strategy_ == "none" ? 2210.0 : 1480.0) : 9.1;
      t["accuracy"] = name == "linear" ? Json(nullptr) : Json(0.83);
    }
    write(directory_ / "influx.summary.json", {{"schema", 1},
                                               {"valid", true},
                                               {"reasons", Json::array()},
                                               {"start_unix_s", start_},
                                               {"models", all}});
  }

 private:
  bool heavy(double t) const { return (t >= ends_[0] && t < ends_[1]) || t >= ends_[2]; }
  double offered(const Model& m, double t) const {
    return m.scaled ? kCapacity * (heavy(t) ? 2.5 : 0.5) : m.rate;
  }

  Json scenario() const {
    Json all = Json::object(), order = Json::array();
    for (const auto& m : models()) {
      order.push_back(m.name);
      Json phases = Json::array(), surges = Json::array();
      double from = 0;
      for (int i = 0; i < 4; ++i) {
        phases.push_back({{"name", i % 2 ? "heavy" : "normal"},
                          {"from_s", from},
                          {"to_s", ends_[i]},
                          {"rate_per_s", offered(m, from)}});
        if (m.scaled && i % 2) {
          surges.push_back(
              {{"from_s", from}, {"until_s", ends_[i]}, {"rate_per_s", offered(m, from)}});
        }
        from = ends_[i];
      }
      Json demand{
          {"description", m.scaled ? "steps: 15 s at 3.1/s, 30 s at 15.5/s, …" : "constant 50/s"},
          {"phases", phases},
          {"surges", surges}};
      if (m.scaled) {
        demand["capacity"] = {{"per_s", kCapacity},
                              {"low_per_s", 6.0},
                              {"high_per_s", 6.35},
                              {"interval", "90 %, bootstrap of the measured service times"},
                              {"method", "service times of one saturated worker"}};
      }
      all[m.name] = {{"slo", {{"latency_ms", m.slo_ms}, {"target", m.target}}},
                     {"demand", demand},
                     {"scaled", m.scaled},
                     {"mode", "throughput"},
                     {"cpu_request", m.limit},
                     {"cpu_limit", m.limit},
                     {"replicas", 1},
                     {"bounds",
                      {{"min_replicas", 1},
                       {"max_replicas", m.scaled ? 3 : 1},
                       {"min_cpu", m.limit},
                       {"max_cpu", m.scaled ? 0.9 : m.limit},
                       {"cpu_ceiling", m.scaled ? 0.9 : m.limit}}}};
    }
    return {{"schema", 1},
            {"name", "synthetic"},
            {"description", "Made by a test; nothing of it was measured."},
            {"seed", 1},
            {"duration_s", ends_[3]},
            {"prices",
             {{"cpu_per_hour", 0.0405}, {"memory_gib_per_hour", 0.0045}, {"currency", "USD"}}},
            {"model_order", order},
            {"models", all}};
  }

  Json record() const {
    const std::string name = directory_.filename().string();
    const bool disturbed = has(what_.disturbed, name);
    Json problems = Json::array(), reasons = Json::array();
    if (has(what_.invalid, name)) {
      problems.push_back("the gateway ended during the run: killed by signal 9 (Killed)");
    }
    if (disturbed) reasons.push_back("other processes used 0.62 CPU");
    return {{"schema", 1},
            {"run", name},
            {"strategy", strategy_},
            {"kind", strategy_},
            {"repetition", repetition_},
            {"started_unix_s", start_ - 8},
            {"interrupted", false},
            {"problems", problems},
            {"gateway_restarts", has(what_.invalid, name) ? 1 : 0},
            {"broker",
             {{"host", "127.0.0.1"},
              {"port", 40123},
              {"external", false},
              {"version", "mosquitto 2.0.11"}}},
            {"canary",
             {{"steal_ratio", 0.001},
              {"foreign_cpus", disturbed ? 0.62 : 0.03},
              {"throttled_ratio", 0.0},
              {"speed_ratio", 0.99},
              {"disturbed", disturbed},
              {"reasons", reasons}}},
            {"machine",
             {{"cpu_model", "Synthetic processor"},
              {"cores", 2},
              {"cores_online", 2},
              {"memory_gib", 16.0},
              {"kernel", "Linux 6.1"},
              {"cgroup", "v1"},
              {"os", "Debian GNU/Linux 12 (bookworm)"},
              {"virtual_machine", true}}},
            {"versions", {{"spate", "0.1.0"}, {"kernel", "Linux 6.1"}}}};
  }

  void line(std::ofstream& out, const Json& json) { out << json.dump() << '\n'; }

  void start_replica(const std::string& model, double t, double ready_ms, double decided) {
    const std::string id = model + "-" + std::to_string(++last_id_[model]);
    replicas_[model].push_back(id);
    const double up = t + ready_ms / 1000.0;
    const auto event = [&](double at, const char* what, double after) {
      line(decisions_, {{"unix_s", start_ + at},
                        {"event", what},
                        {"model", model},
                        {"replica", id},
                        {"after_ms", after}});
    };
    event(t, "replica_started", (t - decided) * 1000);
    event(up, "ready", (up - decided) * 1000);
    event(up + 0.001, "limit_applied", (up - decided) * 1000 + 1);
    event(up + 0.15, "first_answer", (up - decided) * 1000 + 150);
  }

  void decide(double t, int from, double from_limit, const std::string& reason, const char* clip) {
    line(decisions_, {{"unix_s", start_ + t},
                      {"strategy", strategy_},
                      {"model", "resnet50"},
                      {"from", {{"replicas", from}, {"cpu_limit", from_limit}}},
                      {"to", {{"replicas", count_}, {"cpu_limit", limit_}}},
                      {"reason", reason},
                      {"clipped_by", clip ? Json(clip) : Json(nullptr)}});
  }

  void scale(double t, double usage) {
    if (t < 0 || strategy_ == "none") return;
    if (t - changed_ < 4) return;
    const int from = count_;
    const double from_limit = limit_;
    const std::string seen = "CPU " + std::to_string(usage).substr(0, 4) + " of limit over 5 s";
    const bool up = usage > 0.8;
    const bool down = usage < 0.35;
    if (!up && !down) return;
    if (strategy_ == "vertical") {
      limit_ = std::clamp(limit_ + (up ? 0.3 : -0.3), 0.3, 0.9);
    } else {
      count_ = std::clamp(count_ + (up ? 1 : -1), 1, 3);
    }
    if (count_ == from && std::abs(limit_ - from_limit) < 1e-9) return;
    changed_ = t;
    decide(t, from, from_limit, seen + (up ? " is above 0.80" : " is below 0.35"), nullptr);
    if (strategy_ == "vertical") {
      line(decisions_, {{"unix_s", start_ + t + 0.001},
                        {"event", "limit_applied"},
                        {"model", "resnet50"},
                        {"replica", replicas_["resnet50"].front()},
                        {"after_ms", 1.2}});
    } else if (count_ > from) {
      start_replica("resnet50", t + 0.002, 140 + 60 * rng_.uniform(), t);
    } else {
      const std::string id = replicas_["resnet50"].back();
      replicas_["resnet50"].pop_back();
      line(decisions_, {{"unix_s", start_ + t},
                        {"event", "draining"},
                        {"model", "resnet50"},
                        {"replica", id},
                        {"after_ms", 0}});
      line(decisions_, {{"unix_s", start_ + t + 0.4},
                        {"event", "gone"},
                        {"model", "resnet50"},
                        {"replica", id},
                        {"after_ms", 400}});
    }
  }

  void second(double t) {
    Json states = Json::object(), components = Json::array();
    components.push_back({{"component", "gateway"},
                          {"cpu_cores", 0.04 + 0.01 * rng_.uniform()},
                          {"memory_bytes", 21e6}});
    components.push_back({{"component", "broker"}, {"cpu_cores", 0.02}, {"memory_bytes", 7e6}});
    components.push_back({{"component", "influx"}, {"cpu_cores", 0.03}, {"memory_bytes", 60e6}});
    for (const auto& m : models()) {
      const int count = m.scaled ? count_ : 1;
      const double limit = m.scaled ? limit_ : m.limit;
      const double asked = static_cast<double>(rng_.poisson(offered(m, t)));
      const double able = m.scaled ? kCapacity * 1.04 * count * limit / 0.3 : 1e9;
      const double backlog = backlog_[m.name] + asked;
      const double served = std::min(backlog, able);
      const double kept = std::min(backlog - served, able * m.slo_ms / 1000 * 0.8);
      const double refused = backlog - served - kept;
      backlog_[m.name] = kept;
      const double wait_ms = m.scaled ? 1000 * kept / able : 0;
      const double base = m.scaled ? 150 / (limit / 0.3) : 2.2;
      const double p99 = base * 1.6 + wait_ms * 1.1 + 20 * rng_.uniform() * (m.scaled ? 1 : .1);
      const double late = p99 > m.slo_ms ? served * 0.4 : 0;
      const double usage = m.scaled ? std::min(1.0, served / able) : 0.12;
      if (m.scaled) scale(t, usage);
      const double in_time = std::max(0.0, std::floor(served - late));
      if (t < ends_[3]) {
        Json entry{{"unix_s", start_ + t},
                   {"t_s", t},
                   {"model", m.name},
                   {"planned", asked},
                   {"sent", asked},
                   {"answered", served},
                   {"in_time", in_time},
                   {"wrong", 0},
                   {"correct", std::floor(served * 0.83)},
                   {"rejected", {{"overloaded", std::floor(refused)}}},
                   {"expired", 0},
                   {"lost", 0},
                   {"duplicate", 0},
                   {"p50_ms", base + wait_ms * 0.8},
                   {"p99_ms", p99},
                   {"lag_p99_ms", 0.2}};
        line(influx_, entry);
        if (t >= 0) add(totals_[m.name], entry);
      }
      states[m.name] = {{"arrived", asked},
                        {"answered", served},
                        {"rejected", Json::object()},
                        {"expired", 0},
                        {"queue", std::floor(kept)},
                        {"in_flight", count},
                        {"wanted", count},
                        {"ready", count},
                        {"starting", 0},
                        {"draining", 0},
                        {"cpu_limit", limit},
                        {"cpu_reserved", count * limit}};
      for (int i = 0; i < count; ++i) {
        components.push_back({{"component", "worker"},
                              {"model", m.name},
                              {"replica", replicas_[m.name][static_cast<std::size_t>(i)]},
                              {"cpu_cores", limit * usage * (0.95 + 0.05 * rng_.uniform())},
                              {"memory_bytes", m.scaled ? kBytes * 2.4 : kBytes / 2}});
      }
    }
    line(series_, {{"unix_s", start_ + t}, {"models", states}, {"components", components}});
  }

  static void add(Json& to, const Json& from) {
    for (const char* key : {"planned", "sent", "answered", "in_time", "wrong", "correct", "expired",
                            "lost", "duplicate"}) {
      to[key] = (to.contains(key) ? to[key].get<double>() : 0.0) + from[key].get<double>();
    }
    to["rejected"]["overloaded"] =
        (to.contains("rejected") ? to["rejected"].value("overloaded", 0.0) : 0.0) +
        from["rejected"]["overloaded"].get<double>();
  }

  std::filesystem::path directory_;
  std::string strategy_;
  int repetition_;
  const SyntheticExperiment& what_;
  double start_;
  Rng rng_;
  double ends_[4];
  std::ofstream series_, influx_, decisions_;
  int count_ = 1;
  double limit_ = 0.3;
  double changed_ = -10;
  std::map<std::string, double> backlog_;
  std::map<std::string, Json> totals_;
  std::map<std::string, int> last_id_;
  std::map<std::string, std::vector<std::string>> replicas_;
};

}  // namespace

void write_experiment(const std::filesystem::path& directory, const SyntheticExperiment& what) {
  std::filesystem::create_directories(directory);
  write(directory / "experiment.json", {{"schema", 1},
                                        {"scenario", "synthetic"},
                                        {"strategies", what.strategies},
                                        {"repetitions", what.repetitions}});
  double start = kStart;
  for (int r = 1; r <= what.repetitions; ++r) {
    for (const auto& s : what.strategies) {
      SyntheticRun(directory / (s + "-" + std::to_string(r)), s, r, what, start).write_all();
      start += 130 * what.stretch;
    }
  }
}

}  // namespace spate::test
